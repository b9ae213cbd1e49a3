"""Scenes and their questions as files that `mmx explain --questions` reads."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from mmx.files import write_atomically
from mmx.shapes.questions import draw_question
from mmx.shapes.world import draw_scene, render
from mmx.show.plotting import png_bytes


def write_samples(folder: Path, seeds: Iterable[int], size: int) -> list[Path]:
    """`scene-<seed>.png` for every seed and `questions.csv` with one question each; returns what was written."""
    rows, written = io.StringIO(), []
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["image", "question", "answer"])
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        scene = draw_scene(seed)
        written.append(folder / f"scene-{seed}.png")
        write_atomically(written[-1], png_bytes(render(scene, size).image))
        question = draw_question(scene, seed)
        table.writerow([written[-1].name, question.text, question.answer])
    written.append(folder / "questions.csv")
    write_atomically(written[-1], rows.getvalue().encode())
    return written
