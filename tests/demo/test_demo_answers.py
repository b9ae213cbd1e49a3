"""Forms, uploads and what becomes of them, without a page."""

import json
import re
from base64 import b64decode, b64encode
from html import unescape
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from mmx.demo import answers, uploads
from mmx.demo.answers import answered
from mmx.demo.forms import Form
from mmx.demo.samples import samples_for
from mmx.demo.shelf import Shelf
from mmx.demo.uploads import data_url, picture_of, sent_as
from mmx.errors import MmxError, UsageError
from mmx.tasks.base import Task

SCENE = Image.new("RGB", (60, 40), "white")
PICTURE = sent_as("scene.png", SCENE)
QUESTION = "what color is the circle?"


@pytest.fixture(scope="module")
def shelf(tiny_lxmert: Path, tiny_clip: Path, tiny_vit: Path, tiny_detr: Path) -> Shelf:
    return Shelf([str(path) for path in (tiny_lxmert, tiny_clip, tiny_vit, tiny_detr)], "cpu")


def error_of(shelf: Shelf, form: Form) -> str:
    answer = answered(shelf, form)
    assert answer.failed
    [line] = re.findall(r'<p class="mmx-error" role="alert">([^<]*)</p>', answer.html)
    return unescape(line)


def test_every_family_answers(shelf: Shelf, tiny_lxmert: Path, tiny_clip: Path, tiny_vit: Path,
                              tiny_detr: Path) -> None:
    forms = [Form(str(tiny_lxmert), PICTURE, question=QUESTION, answer="blue"),
             Form(str(tiny_clip), PICTURE, texts="red\n\n circle \nred"),
             Form(str(tiny_vit), PICTURE, classes=["red circle"], methods=["all"]),
             Form(str(tiny_detr), PICTURE, found=3, methods=["relevance", "rollout"])]
    shown = [answered(shelf, form) for form in forms]
    assert not any(one.failed for one in shown)
    assert "Explained: blue" in shown[0].html
    assert shown[1].html.count("similarity ") >= 2
    assert "transformer-attribution" in shown[2].html and "relevance-no-norm" not in shown[2].html
    assert "(query\u00a03)" in shown[3].html


def test_objects_can_be_picked(shelf: Shelf, tiny_detr: Path) -> None:
    objects = answered(shelf, Form(str(tiny_detr), PICTURE)).objects
    assert objects and all(f"(query {query})" in told for told, query in objects)


def test_downloads_are_inside_the_page(shelf: Shelf, tiny_lxmert: Path) -> None:
    html = answered(shelf, Form(str(tiny_lxmert), PICTURE, question=QUESTION, methods=["relevance", "rollout"])).html
    files = dict(re.findall(r'download="([^"]+)" href="data:[\w/]+;base64,([^"]+)"', html))
    assert list(files) == ["scene.methods.png", "scene.methods.json", "scene.methods.html"]
    assert Image.open(BytesIO(b64decode(files["scene.methods.png"]))).width > 400
    document = json.loads(b64decode(files["scene.methods.json"]))
    assert [one["method"] for one in document["explanations"]] == ["relevance", "rollout"]
    assert b64decode(files["scene.methods.html"]).startswith(b"<!doctype html>")


@pytest.mark.parametrize(("changes", "line"), [
    ({"picture": None}, "There is no picture yet. Choose one, or click a sample."),
    ({"question": ""}, "The question is empty. Write one."),
    ({"question": "what " * 30}, "The question has 32 tokens; "),
    ({"question": "x" * 3000}, "The question has 3000 letters. Say it in 2000 at most."),
    ({"question": QUESTION, "answer": "<b>mauve</b>"}, "'<b>mauve</b>' is not an answer"),
    ({"question": QUESTION, "methods": []}, "No method is chosen. Choose one at least."),
    ({"question": QUESTION, "methods": ["magic"]}, "No method named 'magic'."),
    ({"model": "/etc"}, "The page has no checkpoint named '/etc'.")])
def test_what_cannot_be_asked_is_one_line(shelf: Shelf, tiny_lxmert: Path, changes: dict, line: str) -> None:
    assert error_of(shelf, Form(**{"model": str(tiny_lxmert), "picture": PICTURE, **changes})).startswith(line)


@pytest.mark.parametrize(("texts", "line"), [
    (" \n ", "There is no text yet."), ("red\n" * 9, "These are 9 texts. Give 8 at a time."),
    ("red " * 30, "The text 'red red")])
def test_texts_have_limits_too(shelf: Shelf, tiny_clip: Path, texts: str, line: str) -> None:
    assert error_of(shelf, Form(str(tiny_clip), PICTURE, texts=texts)).startswith(line)


def test_a_fault_is_told_without_its_details(shelf: Shelf, tiny_lxmert: Path, monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(answers, "explained", broken)
    line = error_of(shelf, Form(str(tiny_lxmert)))
    assert line == "That is a fault of mmx; the terminal that runs it says more."
    assert "/secret/path" in capsys.readouterr().err


def test_a_picture_is_named_by_its_file_alone() -> None:
    for name in ("C:\\me\\scene.png", "../../scene.png", "scene.png"):
        assert picture_of({**PICTURE, "name": name}).source == "scene.png"
    assert len(picture_of({**PICTURE, "name": "x" * 10_000}).source) == 100


@pytest.mark.parametrize("sent", [None, "path/to/file.png", {}, {"path": "/etc/passwd"}, {"url": 3}, ["a"]])
def test_what_is_no_picture_at_all(sent: object) -> None:
    with pytest.raises(UsageError, match="There is no picture yet"):
        picture_of(sent)


@pytest.mark.parametrize("url", ["/etc/passwd", "http://example.org/a.png", "data:image/png;base64,!!!", "data:,x",
                                 "data:image/png;base64," + b64encode(b"GIF89a").decode()])
def test_only_pictures_inside_the_request_are_looked_at(url: str) -> None:
    with pytest.raises(MmxError, match=r"a\.png is no picture that this page takes"):
        picture_of({"name": "a.png", "url": url})


def test_other_kinds_and_sizes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("TIFF", "PPM", "ICO"):
        buffer = BytesIO()
        SCENE.save(buffer, kind)
        with pytest.raises(MmxError, match="no picture that this page takes"):
            picture_of({"name": "a", "url": data_url(buffer.getvalue(), "image/png")})
    monkeypatch.setattr(uploads, "MOST_MEGAPIXELS", 0.002)
    with pytest.raises(MmxError, match="megapixels"):
        picture_of(PICTURE)
    monkeypatch.setattr(uploads, "MOST_BYTES", 10)
    with pytest.raises(MmxError, match="MB"):
        picture_of(PICTURE)


def test_every_task_has_samples() -> None:
    tasks = {task for task in ("question answering", "image-text matching", "image classification",
                               "object detection") if samples_for(task)}
    assert len(tasks) == len(Task.__subclasses__())
    assert picture_of(samples_for("question answering")[0].picture).image.size == (480, 480)
