"""Every format and kind of figure: the same bytes each time, of one size, and nothing written that was refused."""

import gc
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from by_hand import by
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import mmx.results
from mmx.errors import UsageError
from mmx.results import Explanation
from mmx.show import side_by_side
from mmx.show.colors import Look
from mmx.show.plotting import FORMATS, to_bytes
from mmx.show.saving import (
    KINDS,
    Drawing,
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


def test_pixels_are_let_go_at_once(classes) -> None:
    """Not when cycles are collected: beside a loaded model that is hundreds of figures later."""
    gc.collect()
    gc.disable()
    try:
        before = canvases()
        for _ in range(3):
            to_bytes(to_plot([classes()]), "png")
        assert canvases() <= before
    finally:
        gc.enable()


def canvases() -> int:
    return sum(isinstance(one, FigureCanvasAgg) for one in gc.get_objects())
