"""Files: both or none, under safe names, and what was read back draws the same picture."""

import json
import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from by_hand import by
from PIL import Image

import mmx.results
from mmx.errors import OutputError, UsageError
from mmx.images import open_picture
from mmx.results import Explanation, file_stem
from mmx.show import side_by_side
from mmx.show.plotting import png_bytes
from mmx.show.saving import (
    Drawing,
    page_path,
    save_explanation,
    save_page,
    save_sheet,
    sheet_paths,
    to_image,
)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_both_files_are_written_and_nothing_else(mixed: Explanation, tmp_path: Path) -> None:
    picture, report = save_explanation(mixed, tmp_path / "new" / "folder")
    stem = file_stem(mixed.picture.source, mixed.asked)
    assert stem.startswith("my cat")
    assert files_in(picture.parent) == [f"{stem}.relevance.{kind}" for kind in ("json", "png")]
    assert json.loads(report.read_text(encoding="utf-8")) == json.loads(mixed.to_json())
    with Image.open(picture) as image:
        assert image.width >= 720
    assert picture.stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o022))


def test_an_explanation_draws_and_saves_itself(mixed: Explanation, tmp_path: Path) -> None:
    assert [path.name for path in mixed.save(tmp_path, "me")] == ["me.relevance.png", "me.relevance.json"]
    assert (tmp_path / "me.relevance.png").read_bytes() == png_bytes(mixed.to_image())
    assert mixed._repr_html_().startswith("<figure")


def test_an_item_taken_out_alone_has_no_name_of_its_own(detections, tmp_path: Path) -> None:
    assert detections().only(1).save(tmp_path)[0].name == "my cat.relevance.png"
    assert "query 11" in detections().only(1)._repr_html_().replace("\u00a0", " ")


@pytest.mark.parametrize(("source", "stem"), [
    ("", "picture"), ("/a/b.c.png", "b.c"), ("https://x.org/q/cat.jpg?a=1&b=2", "cat"), ("..", "picture")])
def test_stem_comes_from_the_source(answer, tmp_path: Path, source: str, stem: str) -> None:
    one = answer()
    changed = replace(one, pictures=(replace(one.picture, source=source),))
    assert save_explanation(changed, tmp_path)[0].name == f"{stem}.What-is-it.relevance.png"


@pytest.mark.parametrize("stem", ["", "a/b", "../up", "..", ".", "a\\b", "a\0b"])
def test_stem_cannot_leave_the_folder(answer, tmp_path: Path, stem: str) -> None:
    for save in (lambda: save_explanation(answer(), tmp_path / "out", stem),
                 lambda: save_sheet([answer()], tmp_path / "out", stem),
                 lambda: save_page([answer()], tmp_path / "out", stem)):
        with pytest.raises(UsageError, match="plain file name"):
            save()
    assert files_in(tmp_path) == []


def test_folder_that_is_a_file_is_named(answer, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    for folder in (blocked, blocked / "below"):
        with pytest.raises(OutputError, match=str(folder)):
            save_explanation(answer(), folder)
    assert blocked.read_text() == "mine"


def test_refused_scores_leave_nothing_behind(answer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite"):
        save_explanation(answer(image=[np.nan]), tmp_path)
    assert files_in(tmp_path) == []


def test_sheets_and_pages(answer, tmp_path: Path) -> None:
    both = by(answer("猫 \ud83d"), "one", "two")
    stem = file_stem(both[0].picture.source, both[0].asked)
    assert [*save_sheet(both, tmp_path)] == sheet_paths(tmp_path, stem, Drawing())
    assert files_in(tmp_path) == [f"{stem}.methods.png"]
    assert save_page(both, tmp_path / "new", "x") == page_path(tmp_path / "new", "x") == tmp_path / "new" / "x.html"
    assert (tmp_path / "new" / "x.html").read_text(encoding="utf-8").endswith("</html>\n")
    with Image.open(tmp_path / f"{stem}.methods.png") as sheet:
        assert np.array_equal(np.asarray(sheet), np.asarray(to_image(both)))


def test_what_is_there_is_replaced_only_by_the_same_or_where_that_is_asked_for(answer, tmp_path: Path) -> None:
    first, picture = answer(), replace(answer().picture, sha256="11")
    others = [(replace(first, pictures=(picture,)), "another picture"), (answer("Another?"), "answers 'What is it"),
              (replace(first, model=replace(first.model, revision="sha256:1")), "another model"),
              (replace(first, asked=replace(first.asked, targets=(1,))), "something else that was asked"),
              (replace(first, items=(*first.items, *first.items)), "has other items")]
    for _ in range(2):
        paths = first.save(tmp_path, "x")
    before = [path.read_bytes() for path in paths]
    for other, what in others:
        with pytest.raises(UsageError, match=what):
            other.save(tmp_path, "x")
    assert [path.read_bytes() for path in paths] == before
    others[0][0].save(tmp_path, "x", overwrite=True)
    assert [path.read_bytes() for path in paths] != before


def test_sheets_and_pages_are_replaced_only_where_that_is_asked_for(answer, tmp_path: Path) -> None:
    one, other = (side_by_side(by(answer(question), "one", "two")) for question in ("What is it?", "Why?"))
    paths = one.save(tmp_path, "x")
    assert one.save(tmp_path, "x") == paths
    before = [path.read_bytes() for path in paths]
    with pytest.raises(UsageError, match="is there already"):
        other.save(tmp_path, "x")
    assert [path.read_bytes() for path in paths] == before
    other.save(tmp_path, "x", overwrite=True)
    assert all(path.read_bytes() != was for path, was in zip(paths, before, strict=True))


@pytest.mark.parametrize("size", [(4, 4), (1, 1), (200, 1), (1, 200), (3, 64), (3, 65), (30, 129)])
def test_png_holds_the_same_pixels(size: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8))
    with Image.open(BytesIO(png_bytes(image))) as read:
        assert (read.format, read.mode) == ("PNG", "RGB")
        assert (np.asarray(read) == np.asarray(image)).all()


def test_png_is_not_much_larger_than_pillows(answer) -> None:
    image, theirs = answer().to_image(), BytesIO()
    image.save(theirs, "PNG")
    assert len(png_bytes(image)) < 1.5 * len(theirs.getvalue())


def test_methods_draw_and_save_themselves_together(mixed: Explanation, tmp_path: Path) -> None:
    both = side_by_side(by(mixed, "one", "two"))
    assert both._repr_html_().startswith("<figure")
    paths = both.save(tmp_path, "cat")
    assert [path.name for path in paths] == ["cat.methods.png", "cat.html"]
    assert paths[0].read_bytes() == png_bytes(both.to_image())
    assert all(path.stat().st_size > 1000 for path in paths)


def test_what_cannot_be_compared_is_refused(answer) -> None:
    other = replace(answer(), pictures=(replace(answer().picture, sha256="11"),))
    for results in ([], [answer(), other], [answer(), answer(target=1)]):
        with pytest.raises(UsageError):
            side_by_side(results)


@pytest.fixture
def on_disk(mixed: Explanation, tmp_path: Path) -> Explanation:
    """Of a picture that lies in a file."""
    path = tmp_path / "cat.png"
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(path)
    opened = open_picture(path)
    return replace(mixed, pictures=(mmx.results.Picture(opened.image, opened.source, opened.sha256, opened.notes),))


def test_what_is_read_from_json_draws_the_same_picture(on_disk: Explanation) -> None:
    document = json.loads(on_disk.to_json())
    read, given = Explanation.from_dict(document), Explanation.from_dict(document, [on_disk.picture.image])
    assert read.picture.image is None
    assert read.to_image().tobytes() == given.to_image().tobytes() == on_disk.to_image().tobytes()
    assert read._repr_html_() == on_disk._repr_html_()
    assert read.to_json() == on_disk.to_json()


def test_a_picture_that_is_gone_or_changed_is_asked_for(classes, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    read = replace(classes(), pictures=(mmx.results.Picture(None, str(path), "00ff", (), (64, 48)),))
    hint = r"Give it: mmx draw --image, or Explanation.from_dict\(document, \[image\]\)"
    with pytest.raises(UsageError, match=f"cannot be opened any more. {hint}") as caught:
        read.to_image()
    assert "\n" not in str(caught.value) and "cat.png" in str(caught.value)
    Image.new("RGB", (64, 48)).save(path)
    with pytest.raises(UsageError, match=f"has changed since it was explained. {hint}"):
        read._repr_html_()
    with pytest.raises(UsageError, match="changed"):
        read.save(tmp_path / "out")
    assert files_in(tmp_path) == ["cat.png"]
