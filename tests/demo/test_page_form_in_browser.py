"""The form as people fill it in, in a real browser: what is chosen is explained, and nothing that nobody chose."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from demo_page import Page

import mmx

SCREENSHOTS = Path(__file__).parents[2] / "mmx-out" / "screenshots"


def explained_at_last(page: Page, folder: Path) -> dict[str, Any]:
    page.explain()
    return json.loads(page.download("JSON", folder).read_text())


@pytest.mark.parametrize("family", ["lxmert", "vilt", "vit"])
def test_a_picture_of_ones_own_is_explained_before_any_sample(open_page: Callable[..., Page], photo: Path, family: str,
                                                              checkpoints: dict[str, str], tmp_path: Path) -> None:
    page = open_page()
    page.choose_checkpoint(checkpoints[family])
    page.upload(photo)
    if family != "vit":
        page.fill("Question", "what color is the circle?")
    result = explained_at_last(page, tmp_path)
    own, other = result["predictions"][:2]
    assert [item["label"] for item in result["items"]] == [own["label"]]
    assert result["asked"]["targets"] == [] and "Explained:" not in page.shown_text()
    model = mmx.load(checkpoints[family])
    assert own["label"] == model.explain(photo, result["question"]).predictions[0].label
    noun = "Class" if family == "vit" else "Answer"
    page.choose(f"{noun} to explain", other["label"])
    result = explained_at_last(page, tmp_path)
    assert [item["label"] for item in result["items"]] == [other["label"]]
    page.choose_none("targets")
    result = explained_at_last(page, tmp_path)
    assert [item["label"] for item in result["items"]] == [own["label"]]


def test_no_field_says_what_nobody_chose(open_page: Callable[..., Page], checkpoints: dict[str, str], photo: Path,
                                         tmp_path: Path) -> None:
    page, own = open_page(), {
        "lxmert": {"Question": [], "Answer to explain": []}, "clip": {"Texts": []}, "vit": {"Class to explain": []},
        "detr": {"Object": ["every object found"]}}
    for family, fields in own.items():
        page.choose_checkpoint(checkpoints[family])
        assert page.form() == {"Checkpoint": [checkpoints[family]], **fields, "Against": [], "Methods": ["relevance"]}
    page.upload(photo)
    asked = explained_at_last(page, tmp_path)["asked"]
    assert (asked["queries"], asked["threshold"], asked["class"]) == ([], 0.5, None)


def test_a_detected_object_is_picked(open_page: Callable[..., Page], checkpoints: dict[str, str]) -> None:
    page = open_page()
    page.choose_checkpoint(checkpoints["detr"])
    page.click_sample(0)
    label = page.pick("Object", 2)
    page.explain()
    [query] = re.findall(r"query (\d+)", label)
    assert f"query {query}" in page.shown_text().replace("\u00a0", " ")
    assert page.shown_text().count("query") == 2  # what was asked for, and its one panel


@pytest.mark.parametrize(("dark", "width", "height"), [
    (False, 1440, 900), (True, 390, 844), pytest.param(True, 1440, 900, marks=pytest.mark.slow),
    pytest.param(False, 390, 844, marks=pytest.mark.slow)])
def test_a_model_that_writes_is_asked_all_that_it_can_be(open_page: Callable[..., Page], checkpoints: dict[str, str],
                                                         tmp_path: Path, width: int, height: int, dark: bool) -> None:
    page = open_page(width=width, height=height, dark=dark)
    page.choose_checkpoint(checkpoints["llava"])
    page.click_sample(1)
    page.unfold("More")
    assert page.form() == {
        "Checkpoint": [Path(checkpoints["llava"]).name], "Question": ["what color is the circle?"], "Answer": [],
        "Against": [], "Methods": ["relevance"], "Level": ["tokens"], "Score": ["logit"], "Tokens at most": ["32"]}
    page.fill("Against", "yellow and blue")
    page.fill("Tokens at most", "3")
    page.choose("Level", "tower")
    page.choose("Score", "logprob")
    result = explained_at_last(page, tmp_path)
    assert {name: result["asked"][name] for name in ("against", "level", "score", "max_new_tokens")} == {
        "against": "yellow and blue", "level": "tower", "score": "logprob", "max_new_tokens": 3}
    assert [item["label"].partition(" rather than ")[2] for item in result["items"]] == ["yellow and blue"]
    page.screenshot(SCREENSHOTS / f"form-of-writing-{width}-{'dark' if dark else 'light'}.png")
    page.click_sample(0)
    assert page.field("Against") == "" and page.field("Tokens at most") == "3"
    page.choose_checkpoint(checkpoints["lxmert"])
    assert page.form().keys() == {"Checkpoint", "Question", "Answer to explain", "Against", "Methods", "Score"}
    assert page.overflow() == 0


def test_what_cannot_be_done_is_one_line(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page()
    page.explain()
    assert page.error() == "There is no picture yet. Choose one, or click a sample."
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    page.upload(tmp_path / "bad.png")
    page.explain()
    assert page.error() == "bad.png is no picture that this page takes. Give a JPEG, PNG, WebP, GIF or BMP file."
    page.click_sample(0)
    page.fill("Question", "what color is the circle " * 40)
    page.explain()
    assert re.fullmatch(r"The question has \d+ tokens; .* takes \d+ at most\. Say it in fewer words\.", page.error())
    (tmp_path / "notes.txt").write_text("x")
    page.upload(tmp_path / "notes.txt")
    assert page.refusal() == "This is no picture that the page takes: JPEG, PNG, WebP, GIF or BMP."
