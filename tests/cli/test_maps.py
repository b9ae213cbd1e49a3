"""`mmx explain` with models that classify pictures, and with models that match them with texts."""

import json
import shutil
from pathlib import Path

import pytest
from cli_outcome import Command, elements, labels, report, tokens
from PIL import Image

from mmx.methods import method_names
from mmx.show.wording import number

LEFT_OUT = {"relevance-no-norm", "relevance-lrp-no-norm", "ablation-no-self-in-10"}


@pytest.fixture
def classify(mmx: Command, tiny_vit: Path, tmp_path: Path) -> Command:
    return lambda *arguments: mmx("explain", "--model", tiny_vit, "--out", tmp_path / "out", *arguments)


@pytest.fixture
def match(mmx: Command, tiny_clip: Path, tmp_path: Path) -> Command:
    return lambda *arguments: mmx("explain", "--model", tiny_clip, "--out", tmp_path / "out", *arguments)


@pytest.fixture
def pictures(picture: Path, tmp_path: Path) -> list[Path]:
    Image.new("RGB", (50, 60), (10, 160, 40)).save(tmp_path / "green.png")
    return [picture, tmp_path / "green.png"]


def test_a_classifier_says_the_most_probable_classes_and_which_are_explained(
        classify: Command, picture: Path, tmp_path: Path) -> None:
    outcome = classify(picture, "--target", "red circle", "--target", "4")
    assert (outcome.code, outcome.err) == (0, "")
    title, head, *rows, files = outcome.out.splitlines()
    written = report(tmp_path)
    best = written["predictions"][0]
    assert title.startswith(f"{picture}  {best['label']} ")
    assert head.split() == ["class", "index", "softmax", "border"]
    assert [row.split("  ")[1].strip() for row in rows] == [one["label"] for one in written["predictions"]]
    assert sorted(row.partition(" explained ")[0].split()[-3] for row in rows if " explained " in row) == ["3", "4"]
    path = tmp_path / "out" / "scene.target-3_target-4.relevance.png"
    assert files.split(maxsplit=1) == ["wrote", f"{path} and .json"]


def test_the_report_of_classes(classify: Command, picture: Path, tmp_path: Path) -> None:
    classify(picture, "--target", "red circle", "--target", "4")
    written = report(tmp_path)
    assert [(one["label"], one["index"]) for one in written["items"]] == [("red circle", 3), ("tiger, tabby", 4)]
    assert written["asked"]["start_layers"] == {"image": 0} and written["asked"]["targets"] == [3, 4]
    grid = elements(written, "image")
    assert (grid["rows"], grid["columns"], grid["box_xyxy_px"]) == (2, 3, [0, 0, 60, 40])
    assert [len(one["scores"]["image"]) for one in written["items"]] == [2 * 3, 2 * 3]
    assert {one["unit"] for one in written["predictions"]} == {"softmax"}
    assert sum(one["score"] for one in written["predictions"]) == pytest.approx(1)


def test_texts_are_told_with_similarity_softmax_and_words(match: Command, picture: Path, tmp_path: Path) -> None:
    outcome = match(picture, "--text", "red circle", "--text", "a zebra's", "--text", "red circle")
    assert (outcome.code, outcome.err) == (0, "")
    title, head, *rows, _ = outcome.out.splitlines()
    assert title == f"{picture}  2 texts"
    assert head.split() == ["text", "similarity", "softmax", "border", "first", "token", "words"]
    written = report(tmp_path)
    for row, one in zip(rows, written["items"], strict=True):
        assert row.strip().startswith(one["label"])
        assert one["unit"] == "similarity" and f"  {round(one['score'], 2) or 0.0:.2f} " in row
        assert f"{100 * one['also']['softmax']:.0f} %" in row


def test_the_report_of_texts_has_tokens_words_and_map(match: Command, picture: Path, tmp_path: Path) -> None:
    outcome = match(picture, "--text", "red circle", "--text", "a zebra's", "--start-layer", "0", "--start-layer-text",
                    "0")
    written = report(tmp_path)
    assert written["asked"]["start_layers"] == {"image": 0, "text": 0}
    assert labels(written) == written["asked"]["texts"] == ["red circle", "a zebra's"]
    circle = tokens(written, 0)
    assert [token["piece"] for token in circle[1:-1]] == ["red</w>", "circ", "le</w>"]
    assert [token["special"] for token in circle] == [True, False, False, False, True]
    _, red, *pieces, _ = [token["relevance"] for token in circle]
    assert f"red {number(red)}" in outcome.out and f"circle {number(sum(pieces))}" in outcome.out
    assert "".join(token["text"] for token in tokens(written, 1)[1:-1]) == "azebra's"
    grid = elements(written, "image")
    assert (grid["rows"], grid["columns"]) == (4, 4)
    assert grid["box_xyxy_px"] == pytest.approx([10, 0, 50, 40], abs=2)
    assert all(len(one["scores"]["image"]) == 16 for one in written["items"])
    assert sum(one["also"]["softmax"] for one in written["items"]) == pytest.approx(1)


def test_one_text_and_several_pictures_end_in_a_softmax_over_the_pictures(match: Command,
                                                                         pictures: list[Path], tmp_path: Path) -> None:
    outcome = match(*pictures, "--text", "red")
    assert (outcome.code, outcome.err) == (0, "")
    *rows, head, first, second, last = outcome.out.splitlines()
    assert [row.split()[1] for row in rows] == ["similarity", "similarity"]
    assert head == "softmax over the pictures"
    items = {str(path): report(tmp_path, f"{path.stem}.red.relevance.json")["items"][0] for path in pictures}
    logits = {name: item["also"]["logit"] for name, item in items.items()}
    assert [row.split("%")[1].strip() for row in (first, second)] == sorted(logits, key=lambda name: -logits[name])
    assert last == f"2 explained; 4 files written to {tmp_path / 'out'}"


def test_several_pictures_and_texts_are_a_row_each(match: Command, pictures: list[Path]) -> None:
    *rows, last = match(*pictures, "--text", "red", "--text", "zebra").out.splitlines()
    assert [row.split()[0] for row in rows] == [str(path) for path in pictures]
    assert all("zebra" in row and "red" in row for row in rows)
    assert last.startswith("2 explained")


@pytest.mark.parametrize(("kind", "asked"), [("classify", ("-t", "red circle", "-t", "1")),
                                             ("match", ("--text", "red", "--text", "zebra"))])
def test_all_methods_leave_out_those_without_sense(request: pytest.FixtureRequest, picture: Path, tmp_path: Path,
                                                   kind: str, asked: tuple[str, ...]) -> None:
    outcome = request.getfixturevalue(kind)(picture, "-m", "all", *asked)
    assert outcome.code == 0
    assert outcome.err.startswith("note: left out ablation-no-self-in-10, ")
    found = {path.name.split(".")[-2] for path in (tmp_path / "out").glob("*.json")}
    assert found == set(method_names()) - LEFT_OUT
    [sheet] = (tmp_path / "out").glob("scene.*.methods.png")
    assert Image.open(sheet).width > 1000
    assert "together" in outcome.out


def test_a_method_without_sense_is_refused(match: Command, picture: Path) -> None:
    outcome = match(picture, "--text", "red", "-m", "relevance-no-norm")
    assert outcome.code == 2
    assert outcome.error.endswith("only where one stream attends to another. Ask for relevance.")


@pytest.mark.parametrize(("kind", "asked", "other"), [
    ("classify", (), ("-t", "1", "-t", "3")), ("classify", ("-t", "red circle"), ("-t", "1")),
    ("match", ("--text", "red"), ("--text", "zebra")),
    ("match", ("--text", "red"), ("--text", "red", "--start-layer", "0"))])
def test_resume_knows_what_was_asked(request: pytest.FixtureRequest, picture: Path, kind: str,
                                     asked: tuple[str, ...], other: tuple[str, ...]) -> None:
    ask = request.getfixturevalue(kind)
    ask(picture, *asked)
    assert "1 there already" in ask(picture, *asked, "--resume").out
    assert "there already" not in ask(picture, *other, "--resume").out


def test_json_is_one_document(match: Command, pictures: list[Path]) -> None:
    outcome = match(*pictures, "--text", "red", "--json")
    document = json.loads(outcome.out)
    assert [labels(one) for one in document["explanations"]] == [["red"], ["red"]]
    assert document["failures"] == []


@pytest.mark.parametrize(("kind", "asked", "message"), [
    ("match", (), 'No text was given. '), ("match", ("--text", ""), "A text is empty."),
    ("match", ("--text", "st\udce4r"), "A text has bytes that are no UTF-8: '\\udce4'."),
    ("match", ("-q", "red?"), "matches pictures and texts: a question does not fit it"),
    ("match", ("--text", "red", "--start-layer", "3"), "There is no image layer 3; the model has 3"),
    ("classify", ("-t", "crane"), "'crane' names several classes: 1 (crane), 2 (crane)."),
    ("classify", ("-t", "red cirkle"), "Did you mean 'red circle'?"),
    ("classify", ("--text", "red"), "classifies pictures: a text does not fit it"),
    ("classify", ("--start-layer-text", "0"), "has no text layers of its own"),
    ("classify", ("--class", "crane"), "a class of detections does not fit it. Leave it out; target says")])
def test_what_does_not_fit_is_one_line(request: pytest.FixtureRequest, picture: Path, kind: str,
                                       asked: tuple[str, ...], message: str) -> None:
    outcome = request.getfixturevalue(kind)(picture, *asked)
    assert outcome.code == 2
    assert message in outcome.error


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of shipped checkpoints, empty yet."""
    for module in ("mmx.checkpoints.catalog", "mmx.checkpoints.choices"):
        monkeypatch.setattr(f"{module}.WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


@pytest.mark.parametrize(("fixture", "name", "asked", "what"), [
    ("tiny_vit", "shapes-vit", (), "a class or a picture alone"),
    ("tiny_vit", "shapes-vit", ("-t", "3"), "a class or a picture alone"),
    ("tiny_clip", "shapes-clip", ("--text", "red"), "--text"),
    ("tiny_detr", "shapes-detr", ("--threshold", "0.4"), "--threshold, --query or --class"),
    ("tiny_detr", "shapes-detr", ("--query", "1"), "--threshold, --query or --class"),
    ("tiny_detr", "shapes-detr", ("--class", "cat"), "--threshold, --query or --class")])
def test_what_is_asked_chooses_the_model(mmx: Command, request: pytest.FixtureRequest, picture: Path, shipped: Path,
                                         fixture: str, name: str, asked: tuple[str, ...], what: str) -> None:
    shutil.copytree(request.getfixturevalue(fixture), shipped / name)
    outcome = mmx("explain", picture, *asked)
    assert outcome.code == 0
    assert outcome.err.startswith(f"note: using {name} for {what}, which ships with mmx and knows drawn shapes only; ")
    [defaults] = [line for line in mmx("models").out.splitlines() if line.startswith("default")]
    assert f"{name} for {what}" in defaults
