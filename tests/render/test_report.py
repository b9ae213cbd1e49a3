import errno
import json
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx.errors import OutputError, UsageError
from mmx.render.files import write_atomically, write_together
from mmx.render.report import explanation_html, explanation_to_dict, json_bytes, png_bytes, save_explanation


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_json_says_everything_in_plain_numbers(build) -> None:
    report = explanation_to_dict(build("is it", text_scores=[9, 1, 2, 9], image_scores=[0.5]))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report) == [
        "schema_version", "model", "method", "question", "target", "predictions", "tokens", "regions",
        "region_provider", "image", "device", "dtype", "versions", "notes",
    ]  # fmt: skip
    assert report["schema_version"] == 1
    assert report["target"] == {"index": 7, "label": "cat", "probability": 0.8}
    assert report["tokens"][0] == {"text": "[CLS]", "piece": "[CLS]", "special": True, "span": None, "score": 9.0}
    assert report["tokens"][1]["span"] == [0, 2]
    assert report["regions"] == [
        {"box_xyxy_px": [0.0, 0.0, 32.0, 48.0], "label": "cat", "confidence": 0.5, "relevance": 0.5}
    ]
    assert (report["image"]["width"], report["image"]["height"]) == (64, 48)


def test_scores_stay_raw_and_exact(build) -> None:
    raw = np.array([1e-30, -0.1, 123456.789], dtype=np.float64)
    boxes = [(0, 0, 1, 1)] * 3
    report = json.loads(json_bytes(build(boxes=boxes, image_scores=raw)))
    assert [region["relevance"] for region in report["regions"]] == raw.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("stream", ["text", "image"])
def test_json_refuses_scores_that_are_not_finite(build, bad: float, stream: str) -> None:
    explanation = build("is it")
    explanation.scores[stream][-1] = bad
    with pytest.raises(ValueError, match=f"'{stream}'"):
        explanation_to_dict(explanation)


def test_json_refuses_streams_of_the_wrong_length(build) -> None:
    with pytest.raises(ValueError, match="'image' scores have shape"):
        explanation_to_dict(build(image_scores=[1.0, 2.0]))


def test_json_of_a_missing_stream_has_nulls(build) -> None:
    report = explanation_to_dict(build("is it", scores={"image": np.array([1.0])}))
    assert [token["score"] for token in report["tokens"]] == [None] * 4


def test_json_keeps_any_question(build) -> None:
    question = "猫 \ud83d \x00 \u2028 \"'"
    assert json.loads(json_bytes(build(question)).decode("utf-8"))["question"] == question
    assert "猫".encode() in json_bytes(build(question))


def test_save_writes_both_files_and_nothing_else(build, tmp_path: Path) -> None:
    picture, report = save_explanation(build(), tmp_path / "new" / "folder")
    assert files_in(picture.parent) == ["my_cat.relevance.json", "my_cat.relevance.png"]
    assert json.loads(report.read_text(encoding="utf-8"))["method"] == "relevance"
    with Image.open(picture) as image:
        assert image.width >= 720
    assert picture.stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o022))


@pytest.mark.parametrize(
    ("source", "stem"),
    [("", "explanation"), ("/a/b.c.png", "b.c"), ("https://x.org/q/cat.jpg?a=1&b=2", "cat"), ("..", "explanation")],
)
def test_stem_comes_from_the_source(build, tmp_path: Path, source: str, stem: str) -> None:
    picture = build().picture
    changed = type(picture)(picture.image, source, picture.sha256)
    assert save_explanation(build(picture=changed), tmp_path)[0].name == f"{stem}.relevance.png"


@pytest.mark.parametrize("stem", ["", "a/b", "../up", "..", ".", "a\\b", "a\0b"])
def test_stem_cannot_leave_the_folder(build, tmp_path: Path, stem: str) -> None:
    with pytest.raises(UsageError, match="plain file name"):
        save_explanation(build(), tmp_path / "out", stem)
    assert files_in(tmp_path) == []


def test_folder_that_is_a_file_is_named(build, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    for folder in (blocked, blocked / "below"):
        with pytest.raises(OutputError, match=str(folder)):
            save_explanation(build(), folder)
    assert blocked.read_text() == "mine"
    with pytest.raises(OutputError, match="that is a file, not a folder"):
        write_atomically(blocked / "a", b"")
    with pytest.raises(OutputError, match="null"):
        write_atomically(Path("no\0folder") / "a", b"")


def test_refused_scores_leave_nothing_behind(build, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite"):
        save_explanation(build(image_scores=[np.nan]), tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_failed_write_keeps_the_old_file_and_no_part(failing, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "a.json"
    target.write_bytes(b"old")

    def full(path: Path, *_: object) -> None:
        if failing == "write_bytes":
            path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((Path, "write_bytes") if failing == "write_bytes" else (os, "replace")), full)
    with pytest.raises(OutputError, match="no space left") as caught:
        write_atomically(target, b"new")
    monkeypatch.undo()
    assert str(tmp_path) in str(caught.value)
    assert caught.value.hint
    assert files_in(tmp_path) == ["a.json"]
    assert target.read_bytes() == b"old"


def test_interrupted_write_leaves_no_part(tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", b"new")
    assert files_in(tmp_path) == []


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_together({tmp_path / "good": b"1", tmp_path / ("x" * 300) / "bad": b"2"})
    assert files_in(tmp_path) == []


def test_write_replaces_what_was_there(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        write_atomically(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content


def test_html_escapes_everything_given(build) -> None:
    nasty = '<script>alert("1")</script>&\'"'
    prediction = type(build().target)(7, nasty, 0.5)
    explanation = build(
        nasty, target=0, predictions=(prediction,), labels=(nasty,), notes=(nasty,), region_provider=nasty, method=nasty
    )
    html = explanation_html(explanation)
    assert "<script" not in html
    assert "alert(" in html
    assert html.count("<figure") == html.count("</figure>") == 1
    assert "&lt;" in html
    alt = html.split('alt="')[1].split('"')[0]
    assert "&quot;1&quot;" in alt


def test_html_shades_words_and_embeds_the_picture(build) -> None:
    html = explanation_html(build("is it", text_scores=[0, 0, 1, 0]))
    assert '<span title="0">is</span> <span title="1" style=' in html
    assert "background:rgb(182,10,30);color:rgb(255,255,255)" in html
    assert "Answer: cat (80\u00a0%)" in html
    assert 'src="data:image/webp;base64,UklGR' in html


def test_html_can_always_be_encoded(build) -> None:
    assert explanation_html(build("\ud83d ?")).encode("utf-8")


def test_png_holds_the_same_pixels() -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    with Image.open(BytesIO(png_bytes(image))) as read:
        assert (np.asarray(read) == np.asarray(image)).all()


def test_explanation_renders_itself(build, tmp_path: Path) -> None:
    explanation = build()
    assert explanation.to_dict() == explanation_to_dict(explanation)
    assert explanation.save(tmp_path, "me")[1] == tmp_path / "me.relevance.json"
    assert explanation._repr_png_().startswith(b"\x89PNG")
    assert explanation._repr_html_().startswith("<figure")
