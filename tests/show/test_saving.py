"""Files: both or none, under safe names, and what was read back draws the same picture."""

import json
import os
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from by_hand import by
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import mmx.results
from mmx.errors import OutputError, UsageError
from mmx.images import open_picture
from mmx.results import Explanation, file_stem
from mmx.show import side_by_side
from mmx.show.colors import Look
from mmx.show.plotting import FORMATS, png_bytes
from mmx.show.saving import (
    KINDS,
    Drawing,
    page_path,
    save_explanation,
    save_page,
    save_sheet,
    sheet_paths,
    to_image,
    to_plot,
)

FLAT = (640, 20)
"""A size of which little is drawn."""


def in_points(content: bytes) -> list[float]:
    """Width and height of an SVG or a PDF file."""
    [size] = re.findall(rb'(?:viewBox="|/MediaBox \[ ?)0 0 ([\d.]+ [\d.]+)', content)
    return [float(side) for side in size.split()]


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


def test_png_holds_the_same_pixels() -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    with Image.open(BytesIO(png_bytes(image))) as read:
        assert (np.asarray(read) == np.asarray(image)).all()


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


@pytest.mark.parametrize("mix", ["answer", "texts", "detections"])
def test_every_format_is_written_with_the_json(mix: str, tmp_path: Path, request) -> None:
    one = request.getfixturevalue(mix)(size=FLAT)
    paths = one.save(tmp_path, "me", formats=("png", "pdf", "svg"))
    assert [path.name for path in paths] == [f"me.relevance.{ending}" for ending in ("png", "pdf", "svg", "json")]
    assert files_in(tmp_path) == sorted(path.name for path in paths)
    kinds = [path.read_bytes()[:5] for path in paths]
    assert kinds[0] == b"\x89PNG\r" and kinds[1] == b"%PDF-" and kinds[2] == b"<?xml"
    assert one.save(tmp_path / "one", "me", formats=["svg"])[0].name == "me.relevance.svg"
    assert files_in(tmp_path / "one") == ["me.relevance.json", "me.relevance.svg"]


def test_methods_side_by_side_are_written_in_every_format(answer, tmp_path: Path) -> None:
    paths = side_by_side(by(answer(size=FLAT), "a", "b")).save(tmp_path, "me", formats=("svg", "pdf"), cells=True)
    assert [path.name for path in paths] == ["me.methods.svg", "me.methods.pdf", "me.html"]
    assert files_in(tmp_path) == sorted(path.name for path in paths)
    assert sheet_paths(tmp_path, "me", Drawing(formats=("svg", "pdf"))) == [*paths[:2]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_is_the_same_whenever_it_is_written(answer, kind: str, file_format: str) -> None:
    first, second = (Drawing(kind, (file_format,)).files([answer("What? ما", FLAT)], "a") for _ in range(2))
    assert first == second


def test_letters_stay_letters_in_a_pdf(answer) -> None:
    [content] = Drawing(formats=("pdf",)).files([answer("What is it? ما", FLAT)], "a").values()
    assert b"/FontFile2" in content and b"/Type3" not in content and b"/Type 3" not in content
    assert b"DejaVuSans" in content
    assert b"/CreationDate" not in content and b"/ModDate" not in content


def test_an_svg_needs_no_font_and_has_no_date(answer) -> None:
    [content] = Drawing(formats=("svg",)).files([answer("What is it?", FLAT)], "a").values()
    page = content.decode()
    assert "<text" not in page and "font-family" not in page and "<path" in page
    assert "dc:date" not in page and "http://www.w3.org/2000/svg" in page
    assert 'xlink:href="http' not in page  # its pictures are inside


@pytest.mark.parametrize("methods", [1, 2])
def test_formats_are_of_one_size(answer, methods: int) -> None:
    explanations = by(answer(size=FLAT), *"ab"[:methods])
    files = Drawing(formats=FORMATS).files(explanations, "a")
    size = to_image(explanations).size
    assert in_points(files["a.svg"]) == in_points(files["a.pdf"]) == pytest.approx(size, abs=0.01)


def test_pictures_are_finer_where_they_can_be_enlarged(answer) -> None:
    plain, fine = (len(Drawing(formats=("svg",)).files([one], "a")["a.svg"]) for one in (
        answer(boxes=[], pictures=(noisy((96, 3)),)), answer(boxes=[], pictures=(noisy((2880, 90)),))))
    assert fine > 2 * plain


def noisy(size: tuple[int, int]) -> mmx.results.Picture:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return mmx.results.Picture(Image.fromarray(pixels), "pictures/my cat.jpg", "00ff")


def test_an_overlay_is_a_file_for_each_item_at_the_pictures_own_size(classes, tmp_path: Path) -> None:
    three, one = classes(3, size=(37, 23)), classes(size=(37, 23))
    paths = three.save(tmp_path, "me", figure="overlay", formats=("png", "svg", "pdf"), cmap="viridis", alpha=0.9,
                       cells=True)
    assert [path.name for path in paths] == [f"me.relevance.{number}.{ending}" for ending in ("png", "svg", "pdf")
                                             for number in (1, 2, 3)] + ["me.relevance.json"]
    for place, path in enumerate(paths[:3]):
        with Image.open(path) as drawn:
            assert drawn.size == (37, 23)
            assert drawn.tobytes() == three.overlay(place, cmap="viridis", alpha=0.9, cells=True).tobytes()
    for path in paths[3:9]:
        assert in_points(path.read_bytes()) == pytest.approx((37, 23), abs=0.01)
    assert [path.name for path in one.save(tmp_path / "one", "me", figure="overlay")] == [
        "me.relevance.png", "me.relevance.json"]


@pytest.mark.parametrize("size", [(1, 1), (2000, 10), (10, 2000)])
def test_an_overlay_of_any_size_is_the_same_in_every_format(classes, size: tuple[int, int]) -> None:
    files = Drawing("overlay", FORMATS).files([classes(size=size)], "a")
    assert Image.open(BytesIO(files["a.png"])).size == size
    assert in_points(files["a.svg"]) == in_points(files["a.pdf"]) == pytest.approx(size, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_names_are_known_before_anything_is_drawn(classes, detections, kind: str, count: int) -> None:
    drawing = Drawing(kind, ("svg", "png"))
    for one in (classes(count, size=FLAT), detections(count, size=FLAT)):
        assert drawing.names("a", count) == list(drawing.files([one], "a"))
    assert Drawing().names("a", 0) == ["a.png"]


@pytest.mark.parametrize(("asked", "said"), [
    ({"formats": ("png", "bmp")}, "No format named 'bmp'. There are: png, svg, pdf"),
    ({"formats": ("PNG",)}, "No format named 'PNG'. Did you mean 'png'"),
    ({"formats": ()}, "There is no format to draw in"),
    ({"figure": "poster"}, "No figure named 'poster'. There are: sheet, overlay"),
    ({"figure": "overlays"}, "Did you mean 'overlay'"), ({"cmap": "nope"}, "matplotlib has no colour map 'nope'"),
    ({"alpha": 1.01}, "An alpha of 1.01 makes no sense"), ({"alpha": -1}, "An alpha of -1 makes no sense")])
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(answer, tmp_path: Path, asked: dict,
                                                                    said: str) -> None:
    with pytest.raises(UsageError, match=said):
        answer().save(tmp_path / "new", **asked)
    if "figure" not in asked:
        with pytest.raises(UsageError, match=said):
            side_by_side(by(answer(), "a", "b")).save(tmp_path / "new", **asked)
    assert files_in(tmp_path) == []


def test_an_overlay_of_what_has_none_leaves_nothing_behind(answer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Nothing of picture 0 has relevance"):
        answer(streams=("text",)).save(tmp_path / "new", figure="overlay")
    with pytest.raises(UsageError, match="Methods side by side are drawn as a sheet"):
        save_sheet(by(answer(), "a", "b"), tmp_path / "new", drawing=Drawing("overlay"))
    assert files_in(tmp_path) == []
    assert sheet_paths(tmp_path, "a", Drawing("overlay")) == []


def test_a_figure_is_one_of_matplotlibs(mixed: Explanation, tmp_path: Path) -> None:
    figure = mixed.figure()
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "mine.png")
    with Image.open(tmp_path / "mine.png") as drawn:
        assert drawn.convert("RGB").tobytes() == mixed.to_image().tobytes()
    figure.savefig(tmp_path / "large.png", dpi=144)
    with Image.open(tmp_path / "large.png") as drawn:
        assert drawn.size == tuple(2 * side for side in mixed.to_image().size)
    assert isinstance(side_by_side(by(mixed, "a", "b")).figure(cmap="viridis"), Figure)


def test_a_figure_has_the_look_that_was_asked_for(joint, tmp_path: Path) -> None:
    plain = joint().to_image().tobytes()
    for look in ({"cmap": "viridis"}, {"alpha": 0.2}, {"cells": True}):
        [path, _] = joint().save(tmp_path, **look)
        with Image.open(path) as drawn:
            assert plain != drawn.tobytes() == to_image([joint()], Look(**look)).tobytes()
        joint().figure(**look).savefig(tmp_path / "same.png")
        with Image.open(tmp_path / "same.png") as same, Image.open(path) as drawn:
            assert same.convert("RGB").tobytes() == drawn.tobytes()


def test_dollars_and_braces_are_no_formulas_in_any_format(answer) -> None:
    one = answer("What $x$ \\frac{a}{ {{b}} % & #?", FLAT, notes=("$", "$$", "$\\bad$"))
    assert all(Drawing(formats=FORMATS).files([one], "a").values())
    assert not any(text.get_parse_math() for text in to_plot([one]).findobj(Text))


def test_a_notebook_keeps_a_small_picture(classes) -> None:
    one = classes(4)
    with Image.open(BytesIO(one._repr_jpeg_())) as small:
        assert small.format == "JPEG" and small.width <= 1200 and small.height <= 2400
        assert small.width / small.height == pytest.approx(one.to_image().width / one.to_image().height, rel=0.01)
    with Image.open(BytesIO(side_by_side(by(one, "a", "b"))._repr_jpeg_())) as small:
        assert small.format == "JPEG"
