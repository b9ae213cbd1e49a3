"""Scenes and their questions as files that `mmx explain --questions` reads."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from mmx.files import write_new
from mmx.shapes.questions import draw_question
from mmx.shapes.world import draw_scene, render
from mmx.show.plotting import png_bytes


def write_samples(folder: Path, seeds: Iterable[int], size: int, overwrite: bool = False) -> list[Path]:
    """`scene-<seed>.png` for every seed and `questions.csv` with one question each; returns what was written.

    Raises:
        UsageError: other files of these names are there, and are not to be overwritten.
        OutputError: they cannot be written; then none is.
    """
    rows, files = io.StringIO(), dict[Path, bytes]()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["image", "question", "answer"])
    for seed in seeds:
        scene = draw_scene(seed)
        path = folder / f"scene-{seed}.png"
        files[path] = png_bytes(render(scene, size).image)
        question = draw_question(scene, seed)
        table.writerow([path.name, question.text, question.answer])
    files[folder / "questions.csv"] = rows.getvalue().encode()
    write_new(files, overwrite)
    return list(files)
