"""Forms and what becomes of them, without a page."""

import json
import re
from base64 import b64decode
from dataclasses import replace
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmx.demo import answers
from mmx.demo.answers import answered, explained
from mmx.demo.forms import EVERY, Form, fields_of
from mmx.demo.samples import samples_for
from mmx.demo.shelf import Shelf
from mmx.demo.uploads import picture_of, sent_as

SCENE = Image.new("RGB", (60, 40), "white")
PICTURE = sent_as("scene.png", SCENE)
QUESTION = "what color is the circle?"
TEXTS = "red\n\n circle \nred"
_OF_TARGETS, _OF_TEXTS = {"targets", "against", "score"}, {"texts", "against", "score"}
FIELDS = {"lxmert": {"question", *_OF_TARGETS}, "vilt": {"question", *_OF_TARGETS}, "clip": _OF_TEXTS,
          "siglip": _OF_TEXTS, "blip": {"texts", "score"},
          "blip_vqa": {"question", "answer", "against", "score", "max_new_tokens"},
          "llava": {"question", "answer", "against", "level", "score", "max_new_tokens"},
          "vit": _OF_TARGETS, "dinov2": _OF_TARGETS,
          "detr": {"threshold", "queries", "class_name", "against", "score"}}


@pytest.fixture(scope="module")
def names(request: pytest.FixtureRequest) -> dict[str, str]:
    """A tiny checkpoint's folder by family."""
    return {family: str(request.getfixturevalue(f"tiny_{family}")) for family in FIELDS}


@pytest.fixture(scope="module")
def shelf(names: dict[str, str]) -> Shelf:
    return Shelf(list(names.values()), "cpu")


def error_of(shelf: Shelf, form: Form) -> str:
    answer = answered(shelf, form)
    assert answer.failed
    [line] = re.findall(r'<p class="mmx-error" role="alert">([^<]*)</p>', answer.html)
    return unescape(line)


def test_a_form_that_is_filled_in_is_answered(shelf: Shelf, names: dict[str, str]) -> None:
    forms = [Form(names["lxmert"], PICTURE, QUESTION, targets=["blue"]), Form(names["clip"], PICTURE, texts=TEXTS),
             Form(names["vit"], PICTURE, targets=[3, 1], methods=[EVERY]),
             Form(names["vit"], PICTURE, targets=[3], against="0", score="probability"),
             Form(names["detr"], PICTURE, found=3, methods=["relevance", "rollout"])]
    shown = [answered(shelf, form) for form in forms]
    assert not any(one.failed for one in shown)
    assert "Explained: blue" in shown[0].html
    assert shown[1].html.count("similarity ") >= 2
    assert "transformer-attribution" in shown[2].html and "relevance-no-norm" not in shown[2].html
    assert "red circle" in shown[2].html and "crane" in shown[2].html
    assert "red circle rather than" in shown[3].html
    assert "(query\u00a03)" in shown[4].html


@pytest.mark.parametrize("family", FIELDS)
def test_fields_that_a_model_does_not_have_are_left_alone(shelf: Shelf, names: dict[str, str], family: str) -> None:
    model = shelf.get(names[family])
    assert fields_of(model) == FIELDS[family]
    [result] = explained(shelf, Form(names[family], PICTURE, QUESTION, TEXTS))
    assert result.asked == model.settled(result.asked)
    assert result.asked.question == (QUESTION if "question" in FIELDS[family] else None)
    assert result.asked.texts == (("red", "circle") if "texts" in FIELDS[family] else ())
    assert result.asked.targets == () and result.asked.queries == ()


@pytest.mark.parametrize("family", [family for family, fields in FIELDS.items() if "targets" in fields])
def test_what_the_model_predicts_is_explained_where_nothing_is_chosen(shelf: Shelf, names: dict[str, str],
                                                                      family: str) -> None:
    [result] = explained(shelf, Form(names[family], PICTURE, QUESTION))
    assert [item.prediction for item in result] == [result.predictions[0]]
    [result] = explained(shelf, Form(names[family], PICTURE, QUESTION, targets=[2, 0]))
    assert [item.index for item in result] == [2, 0]


def test_a_written_answer_is_read_word_by_word(shelf: Shelf, names: dict[str, str]) -> None:
    """The model's own, or what stands in the field."""
    form = Form(names["blip_vqa"], PICTURE, QUESTION, answer=" two red circles ", methods=["relevance", "random"])
    html = answered(shelf, form).html
    assert re.findall(r'<input type="radio"[^>]*><span[^>]*>([^<]+)</span>', html) == ["two", "red", "circles"]
    page = re.search(r'download="([^"]+[.]html)" href="data:text/html;base64,([^"]+)"', html)
    assert page is not None and "two-red-circles" in page[1]
    assert b64decode(page[2]).count(b'type="radio"') == 3
    [own] = explained(shelf, replace(form, answer="  ", methods=["relevance"]))
    assert own.asked.answer is None and own.answer
    assert answered(shelf, replace(form, answer="")).html.count('type="radio"') == len(own) * (len(own) > 1)
    assert error_of(shelf, replace(form, answer="red " * 30)).startswith("The answer has 30 tokens; ")


def test_what_a_model_that_writes_is_asked(shelf: Shelf, names: dict[str, str]) -> None:
    form = Form(names["llava"], PICTURE, QUESTION, answer="blue and red", against=" blue and yellow ", level="tower",
                score="logprob", max_new_tokens=3)
    [result] = explained(shelf, form)
    asked = result.asked
    assert (asked.against, asked.level, asked.score, asked.max_new_tokens) == ("blue and yellow", "tower", "logprob", 3)
    assert [item.label for item in result] == ["blue and red rather than blue and yellow"]
    [own] = explained(shelf, Form(names["llava"], PICTURE, QUESTION))
    assert own.asked.to_dict() == shelf.get(names["llava"]).explain(SCENE, QUESTION).asked.to_dict()
    [described] = explained(shelf, Form(names["llava"], PICTURE, "  "))
    assert described.asked.question is None and described.answer


@pytest.mark.parametrize(("changes", "line"), [
    ({"max_new_tokens": 10**9}, "1000000000 tokens are more than the page has time for. Allow 200 at most."),
    ({"max_new_tokens": 0}, "0 tokens cannot be written. Allow one or more."),
    ({"level": "nowhere"}, "tiny-llava has no level 'nowhere'."),
    ({"score": "odd"}, "No score of tiny-llava named 'odd'."),
    ({"against": "x" * 3000}, "The thing to compare with has 3000 letters.")])
def test_what_a_model_that_writes_cannot_be_asked(shelf: Shelf, names: dict[str, str], changes: dict[str, Any],
                                                  line: str) -> None:
    said = error_of(shelf, Form(names["llava"], PICTURE, QUESTION, **changes))
    assert said.replace(names["llava"], "tiny-llava").startswith(line)


@pytest.mark.parametrize("family", FIELDS)
def test_samples_have_what_the_model_needs(shelf: Shelf, names: dict[str, str], family: str) -> None:
    for sample in samples_for(shelf.get(names[family]).asking):
        assert bool(sample.question) == ("question" in FIELDS[family])
        assert bool(sample.texts) == ("texts" in FIELDS[family])
    assert picture_of(sample.picture).image.size == (480, 480)
    assert sample.shown["url"].startswith("data:image/webp;base64,")


def test_a_method_that_cannot_run_leaves_the_others_alone(shelf: Shelf, names: dict[str, str]) -> None:
    hook = shelf.get(names["vit"]).network.classifier.register_forward_hook(lambda *given: given[-1].asinh())
    lrp, form = ["relevance-lrp", "partial-lrp"], Form(names["vit"], PICTURE)
    shown = answered(shelf, replace(form, methods=["relevance", *lrp]))
    alone = error_of(shelf, replace(form, methods=lrp))
    hook.remove()
    assert not shown.failed
    [note] = re.findall('<p class="mmx-note">([^<]*)</p>', shown.html)
    told, why = unescape(note).split(". ", 1)
    assert told == "Left out: relevance-lrp and partial-lrp"
    assert why.startswith("There is no relevance rule for ") and alone.startswith(why)


def test_objects_can_be_picked(shelf: Shelf, names: dict[str, str]) -> None:
    objects = answered(shelf, Form(names["detr"], PICTURE)).objects
    assert objects and all(f"(query {query})" in told for told, query in objects)


def test_downloads_are_inside_the_page(shelf: Shelf, names: dict[str, str]) -> None:
    html = answered(shelf, Form(names["lxmert"], PICTURE, QUESTION, methods=["relevance", "rollout"])).html
    files = dict(re.findall(r'download="([^"]+)" href="data:[\w/]+;base64,([^"]+)"', html))
    stem = f"scene.{'-'.join(QUESTION.rstrip('?').split())}"
    assert list(files) == [f"{stem}.methods.png", f"{stem}.methods.json", f"{stem}.html"]
    assert Image.open(BytesIO(b64decode(files[f"{stem}.methods.png"]))).width > 400
    document = json.loads(b64decode(files[f"{stem}.methods.json"]))
    assert document["schema_version"] == document["explanations"][0]["schema_version"] == 2
    assert [one["method"] for one in document["explanations"]] == ["relevance", "rollout"]
    assert b64decode(files[f"{stem}.html"]).startswith(b"<!doctype html>")


@pytest.mark.parametrize("form", [{"question": QUESTION, "targets": ["blue"]}, {"question": "red? Or:\n blue"}])
def test_downloads_are_called_as_explain_calls_them(shelf: Shelf, names: dict[str, str], tmp_path: Path,
                                                    form: dict[str, Any]) -> None:
    filled = Form(names["lxmert"], PICTURE, **form)
    called = re.findall(r'download="([^"]+)"', answered(shelf, filled).html)
    saved = explained(shelf, filled)[0].save(tmp_path)
    assert sorted(unescape(name) for name in called if not name.endswith(".html")) == sorted(
        path.name for path in saved)


@pytest.mark.parametrize(("changes", "line"), [
    ({"picture": None}, "There is no picture yet. Choose one, or click a sample."),
    ({"question": ""}, "The question is empty. Write one."),
    ({"question": "what " * 30}, "The question has 32 tokens; "),
    ({"question": "x" * 3000}, "The question has 3000 letters. Say it in 2000 at most."),
    ({"question": QUESTION, "targets": ["<b>mauve</b>"]}, "'<b>mauve</b>' is not an answer"),
    ({"question": QUESTION, "targets": range(9)}, "These are 9 things to explain. Give 8 at a time."),
    ({"question": QUESTION, "methods": []}, "No method is chosen. Choose one at least."),
    ({"question": QUESTION, "methods": ["magic"]}, "No method named 'magic'."),
    ({"model": "/etc"}, "The page has no checkpoint named '/etc'.")])
def test_what_cannot_be_asked_is_one_line(shelf: Shelf, names: dict[str, str], changes: dict, line: str) -> None:
    assert error_of(shelf, Form(**{"model": names["lxmert"], "picture": PICTURE, **changes})).startswith(line)


@pytest.mark.parametrize(("texts", "line"), [
    (" \n ", "There is no text yet."), ("red\n" * 9, "These are 9 texts. Give 8 at a time."),
    ("red " * 30, "The text 'red red")])
def test_texts_have_limits_too(shelf: Shelf, names: dict[str, str], texts: str, line: str) -> None:
    assert error_of(shelf, Form(names["clip"], PICTURE, texts=texts)).startswith(line)


def test_a_fault_is_told_without_its_details(shelf: Shelf, names: dict[str, str], monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(answers, "explained", broken)
    line = error_of(shelf, Form(names["lxmert"]))
    assert line == "That is a fault of mmx; the terminal that runs it says more."
    assert "/secret/path" in capsys.readouterr().err
