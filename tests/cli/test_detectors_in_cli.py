"""Detectors other than DETR from end to end: what is said of sigmoids, and of what texts say."""

import json
from pathlib import Path

import pytest
from cli_outcome import Command, elements, labels, report
from PIL import Image

TEXTS = ("--text", "a red cat", "--text", "dog")


@pytest.fixture
def find(mmx: Command, request: pytest.FixtureRequest, picture: Path, tmp_path: Path) -> Command:
    """`mmx explain` of a tiny checkpoint by the name of its fixture, with what it must be asked."""
    return lambda name, *more: mmx("explain", picture, "--model", request.getfixturevalue(name),
                                   *(TEXTS if "owl" in name else ()), "--out", tmp_path / "out", *more)


@pytest.mark.parametrize("name", ["tiny_owlvit", "tiny_yolos"])
def test_queries_are_explained_by_every_method(find: Command, tmp_path: Path, name: str) -> None:
    outcome = find(name, "--query", "2", "--query", "0", "-m", "all", "--html")
    assert outcome.code == 0
    *others, slow = outcome.err.splitlines()
    assert all(line.startswith("note: left out ") for line in others)
    assert "with passes through the model of their own" in slow
    found = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")]
    assert {"relevance", "relevance-lrp", "rollout", "random"} <= {one["method"] for one in found}
    for one in found:
        grid = elements(one, "image")
        assert [item["query"] for item in one["items"]] == [2, 0]
        assert all(len(item["scores"]["image"]) == grid["rows"] * grid["columns"] for item in one["items"])
    assert [len(list((tmp_path / "out").glob(f"scene*{end}"))) for end in (".html", ".methods.png")] == [1, 1]


def test_a_product_that_is_not_seen_is_not_said_to_be_right(mmx: Command, tiny_table_transformer: Path,
                                                            tiny_yolos: Path) -> None:
    """Table Transformer multiplies its maps before it gives them away."""
    told = []
    for folder in (tiny_table_transformer, tiny_yolos):
        findings = json.loads(mmx("models", "check", folder, "--json").out)["findings"]
        told += [one["told"].partition(", and ")[2] for one in findings if one["what"] == "attention maps"]
    assert told == ["of 6 the product with the values is not seen", "map times values is what each attention gives"]


def test_sigmoids_are_told_as_such(find: Command, tmp_path: Path) -> None:
    find("tiny_conditional_detr", "--threshold", "0.1", "--html")
    found = report(tmp_path)
    assert {item["unit"] for item in found["items"]} == {"sigmoid"}
    assert {one["unit"] for item in found["items"] for one in item["predictions"]} == {"sigmoid"}
    [page] = (tmp_path / "out").glob("*.html")
    assert "Each percentage is a probability of its own (sigmoid)" in page.read_text()


def test_what_texts_say_is_a_table_of_boxes_with_words(find: Command, picture: Path, tmp_path: Path) -> None:
    outcome = find("tiny_owlv2", "--threshold", "0.2")
    assert (outcome.code, outcome.err) == (0, "")
    found = report(tmp_path)
    title, head, *rows, _ = outcome.out.splitlines()
    assert title == f"{picture}  {len(found['items'])} detections over 20 %"
    assert head.split() == ["query", "text", "score", "box", "in", "pixels", "border", "first", "token", "words"]
    assert found["asked"]["texts"] == ["a red cat", "dog"] and found["predictions"] == []
    for row, item in zip(rows, found["items"], strict=True):
        assert row.split()[0] == str(item["query"]) and f"  {item['label']} " in row
        [words] = item["elements"]["text"]
        assert words["text"] == item["label"] == ("a red cat", "dog")[item["index"]]
        assert len(item["scores"]["text"]) == len(words["tokens"])
    [figure] = (tmp_path / "out").glob("*.png")
    assert figure.name == "scene.a-red-cat_dog_above-0.2.relevance.png" and Image.open(figure).format == "PNG"


def test_one_text_alone_can_be_kept_and_nothing_is_a_result_too(find: Command, picture: Path, tmp_path: Path) -> None:
    outcome = find("tiny_owlvit", "--threshold", "0", "--class", "Dog")
    found = report(tmp_path)
    assert " of dog over 0 %" in outcome.out
    assert set(labels(found)) <= {"dog"}
    outcome = find("tiny_owlvit", "--threshold", "0.99")
    title, surest, _ = outcome.out.splitlines()
    assert title == f"{picture}  no detection over 99 %" and surest.startswith("  surest ")


def test_many_pictures_are_a_row_each(find: Command, tmp_path: Path) -> None:
    Image.new("RGB", (90, 30), "navy").save("wide.png")
    outcome = find("tiny_owlv2", "wide.png", "--threshold", "0.2", "--json")
    first, second = json.loads(outcome.out)["explanations"]
    assert elements(first, "image")["box_xyxy_px"][2:] == [60, 60]
    assert elements(second, "image")["box_xyxy_px"][2:] == [90, 90]
    rows = find("tiny_owlv2", "wide.png", "--threshold", "0.2", "--overwrite").out.splitlines()
    assert [" over 20 %" in row for row in rows] == [True, True, False]


@pytest.mark.parametrize(("arguments", "message"), [
    (("--class", "cow"), "'cow' is none of the texts."), (("--query", "16"), "There is no query 16;"),
    (("-t", "dog"), "finds what texts say: a target does not fit it. Leave it out; threshold, query and class say"),
    (("-q", "a cat?"), "a question does not fit it"), (("--answers", "names.txt"), "no names of answers fit it")])
def test_misuse(find: Command, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "names.txt").write_text("a\nb\n")
    outcome = find("tiny_owlvit", *arguments)
    assert outcome.code == 2 and message in outcome.error and not (tmp_path / "out").exists()


def test_without_a_text_it_is_told_to_give_one(mmx: Command, tiny_owlvit: Path, picture: Path) -> None:
    outcome = mmx("explain", picture, "--model", tiny_owlvit, "--threshold", "0.3")
    assert outcome.code == 2 and outcome.error.startswith("No text was given.")
