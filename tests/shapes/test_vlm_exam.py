"""What a vision-language model says by itself, with a speaker whose words are made up."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx.shapes.descriptions import draw_description
from mmx.shapes.questions import draw_question
from mmx.shapes.train import vlm_exam
from mmx.shapes.world import draw_scene, render

NUMBERS = range(12)
SCENES = {np.asarray(render(draw_scene(number), 288).image).tobytes(): number for number in NUMBERS}


class Knowing:
    """Says what is true of the picture that it is shown; it leaves out the last thing of scene 4."""

    def __init__(self, _folder: Path) -> None:
        pass

    def answers(self, pictures: Sequence[Image.Image], questions: Sequence[str]) -> list[str]:
        return [self._said(SCENES[np.asarray(picture).tobytes()], question)
                for picture, question in zip(pictures, questions, strict=True)]

    def _said(self, number: int, question: str) -> str:
        scene = draw_scene(number)
        if question in ("what do you see?", "what is in the picture?"):
            said = draw_description(scene, number).answer
            return said.rpartition(" and ")[0] + "." if number == 4 else said
        own = draw_question(scene, number)
        return own.answer if own.text == question else "green"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.setattr(vlm_exam, "Speaker", Knowing)
    return vlm_exam.examine(Path(), NUMBERS)


def test_own_pictures_are_told_from_those_of_other_scenes(found: dict) -> None:
    own, other = found["own picture"], found["another scene's picture"]
    assert found["scenes"] == 12 and own["answers"]["mean"] == 1 and own["answers"]["count"] == 12
    assert other["answers"]["mean"] < 0.5 and other["descriptions, word for word"]["mean"] == 0
    kinds = {group.partition(", ")[2] for group in own if group.startswith("answers, ")}
    assert kinds == {draw_question(draw_scene(number), number).kind for number in NUMBERS}


def test_a_description_that_leaves_a_thing_out_is_wrong_but_its_names_are_right(found: dict) -> None:
    own = found["own picture"]
    for group in ("word for word", "in an order without doubt", "the right things in any order"):
        assert own[f"descriptions, {group}"]["mean"] == pytest.approx(11 / 12)
    named = len(draw_scene(4).things)
    assert own["descriptions, names"]["mean"] == pytest.approx((11 + 2 * (named - 1) / (2 * named - 1)) / 12)


def test_names_count_as_often_as_they_are_there() -> None:
    scene = draw_scene(3)
    said = draw_description(scene, 3).answer
    assert vlm_exam.names_right(scene, said) == 1
    assert vlm_exam.names_right(scene, "") == 0
    name = scene.things[0].name
    often = sum(thing.name == name for thing in scene.things)
    assert vlm_exam.names_right(scene, f"a {name}. " * 9) == pytest.approx(2 * often / (9 + len(scene.things)))
