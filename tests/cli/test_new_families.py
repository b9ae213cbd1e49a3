"""What is special about ViLT, SigLIP, DINOv2 and BLIP, as a user calls them; test_every_family has what is the same."""

import json
from pathlib import Path

import pytest
from cli_outcome import Command, elements, labels, report
from noise import noise

TEXTS = ("--text", "a red circle", "--text", "a zebra")
ASKED = {"tiny_vilt": ("-q", "what color is the circle?"), "tiny_siglip": TEXTS, "tiny_dinov2": ("-t", "dog"),
         "tiny_blip": TEXTS}


@pytest.fixture
def explain(mmx: Command, request: pytest.FixtureRequest, picture: Path, tmp_path: Path) -> Command:
    """`mmx explain` of a tiny checkpoint by the name of its fixture, asked what fits it."""
    return lambda name, *more: mmx("explain", picture, "--model", request.getfixturevalue(name), *ASKED[name],
                                   "--out", tmp_path / "out", *more)


def test_vilt_answers_over_words_and_patches(explain: Command, tmp_path: Path) -> None:
    outcome = explain("tiny_vilt")
    assert [line.split()[0] for line in outcome.out.splitlines()[1:4]] == ["answer", "words", "patches"]
    [item] = report(tmp_path)["items"]
    assert (item["kind"], item["unit"]) == ("answer", "sigmoid")
    assert elements(report(tmp_path), "text")["text"] == ASKED["tiny_vilt"][1]
    assert item["scores"].keys() == {"text", "image"}


def test_siglip_says_a_sigmoid_of_each_text(explain: Command, tmp_path: Path) -> None:
    head = explain("tiny_siglip").out.splitlines()[1]
    found = report(tmp_path)
    assert head.split()[:2] == ["text", "sigmoid"]
    assert labels(found) == ["a red circle", "a zebra"]
    assert {item["unit"] for item in found["items"]} == {one["unit"] for one in found["predictions"]} == {"sigmoid"}


def test_blip_says_whether_each_text_matches(explain: Command, tmp_path: Path) -> None:
    explain("tiny_blip", "-t", "1")
    found = report(tmp_path)
    assert labels(found) == ["a zebra"] and found["items"][0]["index"] == 1
    assert {one["label"] for one in found["predictions"]} == {"a red circle", "a zebra"}


def test_dinov2_sees_classes_in_its_own_crop(explain: Command, tmp_path: Path) -> None:
    explain("tiny_dinov2")
    grid = elements(report(tmp_path), "image")
    assert labels(report(tmp_path)) == ["dog"] and (grid["rows"], grid["columns"]) == (4, 4)
    left, _, right, _ = grid["box_xyxy_px"]
    assert 0 < left < right < 60


@pytest.mark.parametrize(("name", "asked", "said"), [
    ("tiny_vilt", ("--text", "red"), "answers questions: a text does not fit it. Leave it out; target says"),
    ("tiny_siglip", ("-q", "red?"), "matches pictures and texts: a question does not fit it. Leave it out; target"),
    ("tiny_dinov2", ("--threshold", "0.5"), "classifies pictures: a threshold does not fit it."),
    ("tiny_blip", ("--class", "dog"), "a class of detections does not fit it."),
    ("tiny_blip", ("-t", "a dog"), "'a dog' is none of the texts."),
])
def test_what_does_not_fit_is_one_line(explain: Command, name: str, asked: tuple[str, ...], said: str) -> None:
    outcome = explain(name, *asked)
    assert outcome.code == 2 and said in outcome.error


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = ["image,question,answer,id"]
    for number in range(4):
        noise((60, 40), 20 + 20 * number).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,what color is the circle?,{('red', 'blue')[number % 2]},q{number}")
    (tmp_path / "q.csv").write_text("\n".join(rows))
    return tmp_path / "q.csv"


def test_perturb_removes_words_and_patches_of_vilt(mmx: Command, tiny_vilt: Path, questions: Path,
                                                   tmp_path: Path) -> None:
    outcome = mmx("perturb", "--model", tiny_vilt, "--data", questions, "--no-cache", "--out", tmp_path / "out",
                  "--steps", "0,0.5,1", "-m", "relevance", "-m", "rollout")
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["samples"]["evaluated"] == 4
    assert summary["parameters"]["removes"] == {"image": "patches", "text": "words"}
    assert summary["panels"].keys() == {"image", "text"}


def test_perturb_refuses_what_answers_no_questions(mmx: Command, tiny_siglip: Path, questions: Path,
                                                   tmp_path: Path) -> None:
    outcome = mmx("perturb", "--model", tiny_siglip, "--data", questions, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "matches pictures and texts" in outcome.error and "this test is about answers" in outcome.error
    assert not (tmp_path / "out").exists()
