"""`python -m mmx.shapes.train.vlm_exam FOLDER`: what a vision-language model says of fresh scenes, by itself.

Greedy generation through the folder's own processor, of a question and a description of each scene; and the same with
the picture of another scene, where nothing but what is said most often is left to know.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from mmx.metrics import bootstrap_mean
from mmx.shapes.descriptions import draw_description, names_in, things_described
from mmx.shapes.questions import Question, draw_question
from mmx.shapes.world import Scene, draw_scene, render

_SIZE_PX, _AT_ONCE, _LONGEST_ANSWER = 288, 50, 40


class Speaker:
    """A vision-language model of `transformers` with its processor."""

    def __init__(self, folder: Path) -> None:
        self._model: Any = AutoModelForImageTextToText.from_pretrained(folder).eval()
        self._processor: Any = AutoProcessor.from_pretrained(folder)

    @torch.inference_mode()
    def answers(self, pictures: Sequence[Image.Image], questions: Sequence[str]) -> list[str]:
        """What it says, the likeliest token each time."""
        texts = [self._processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}],
            add_generation_prompt=True) for question in questions]
        inputs = self._processor(images=list(pictures), text=texts, padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        said = self._model.generate(**inputs, do_sample=False, max_new_tokens=_LONGEST_ANSWER)
        return [text.strip() for text in self._processor.batch_decode(said[:, inputs["input_ids"].shape[1]:],
                                                                     skip_special_tokens=True)]


def names_right(scene: Scene, said: str) -> float:
    """The share of a description's names, and of the scene's things, that are in both: 2 both / (said + there)."""
    named, there = Counter(names_in(said)), Counter(thing.name for thing in scene.things)
    return 2 * (named & there).total() / (named.total() + there.total())


def examine(folder: Path, numbers: Sequence[int]) -> dict[str, Any]:
    """Shares of 1 with 95 % bootstrap intervals, by kind of question too; scenes of these numbers."""
    speaker, scenes = Speaker(folder), [draw_scene(number) for number in numbers]
    pictures = [render(scene, _SIZE_PX).image for scene in scenes]
    questions = [draw_question(scene, number) for scene, number in zip(scenes, numbers, strict=True)]
    descriptions = [draw_description(scene, number) for scene, number in zip(scenes, numbers, strict=True)]
    found = {"own picture": pictures, "another scene's picture": pictures[1:] + pictures[:1]}
    return {"scenes": len(scenes), **{name: _right(speaker, scenes, shown, questions, descriptions)
                                      for name, shown in found.items()}}


def _right(speaker: Speaker, scenes: list[Scene], pictures: list[Image.Image], questions: list[Question],
           descriptions: list[Question]) -> dict[str, Any]:
    said, told = (_said(speaker, pictures, [one.text for one in asked]) for asked in (questions, descriptions))
    values: dict[str, list[float]] = {"answers": []}
    for question, answer in zip(questions, said, strict=True):
        for group in ("answers", f"answers, {question.kind}"):
            values.setdefault(group, []).append(answer == question.answer)
    for scene, wanted, text in zip(scenes, descriptions, told, strict=True):
        share = names_right(scene, text)
        for group, value in (("word for word", text == wanted.answer),
                             ("in an order without doubt", things_described(scene, text) is not None),
                             ("the right things in any order", share == 1), ("names", share)):
            values.setdefault(f"descriptions, {group}", []).append(value)
    return {group: asdict(bootstrap_mean(np.array(one, dtype=float))) for group, one in values.items()}


def _said(speaker: Speaker, pictures: list[Image.Image], questions: list[str]) -> list[str]:
    return [text for start in range(0, len(pictures), _AT_ONCE) for text in speaker.answers(
        pictures[start:start + _AT_ONCE], questions[start:start + _AT_ONCE])]


def main(
    folder: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    scenes: Annotated[int, typer.Option(help="How many fresh scenes.")] = 2000,
    first_scene: Annotated[int, typer.Option(help="Number of the first one.")] = 0,
) -> None:
    """Ask a vision-language model about fresh scenes and print how often it is right, as JSON."""
    torch.set_num_threads(1)
    print(json.dumps(examine(folder, range(first_scene, first_scene + scenes)), indent=2))


if __name__ == "__main__":
    typer.run(main)
