"""`mmx models check FOLDER IMAGE`: the most probable answers about a picture that one knows."""

import json
from pathlib import Path

import pytest
from cli_outcome import Command

import mmx as package

ASKED = {"tiny_lxmert": ("-q", "red?"), "tiny_detr": (), "tiny_vit": (),
         "tiny_clip": ("--text", "red", "--text", "circle")}


@pytest.mark.parametrize("name", ASKED)
def test_its_answers_are_those_of_the_model(mmx: Command, request: pytest.FixtureRequest, picture: Path,
                                            name: str) -> None:
    folder, asked = request.getfixturevalue(name), ASKED[name]
    outcome = mmx("models", "check", folder, picture, *asked, "--json")
    assert outcome.code == 0
    document = json.loads(outcome.out)
    shown = [(one["index"], one["label"], one["score"]) for one in document["predictions"]]
    model = package.load(folder)
    question = "red?" if "-q" in asked else None
    found = model.explain(picture, question, text=() if question else asked[1::2])
    right = found.predictions or [item.prediction for item in (*found.items, *found.others)]
    right = sorted(((one.index, one.label, one.score) for one in right), key=lambda one: -one[2])[:5]
    assert shown == right and shown
    [told] = [one["told"] for one in document["findings"] if one["what"] == "picture"]
    assert all(label in told for _, label, _ in shown)


def test_without_a_picture_there_are_none(mmx: Command, tiny_vit: Path) -> None:
    assert json.loads(mmx("models", "check", tiny_vit, "--json").out)["predictions"] == []


@pytest.mark.parametrize(("arguments", "message"), [
    (("-q", "red?"), "are asked about a picture"),
    (("scene.png",), 'tiny-lxmert answers questions: add --question "..."'),
    (("scene.png", "-q", "red?", "--text", "red"), "a text does not fit it"),
])
def test_what_is_asked_must_fit(mmx: Command, picture: Path, tiny_lxmert: Path, arguments: tuple, message: str) -> None:
    given = [picture if one == "scene.png" else one for one in arguments]
    outcome = mmx("models", "check", tiny_lxmert, *given)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.error
