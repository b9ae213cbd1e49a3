"""Pictures and lines of text that are put onto a sheet as they are look as matplotlib would draw them."""

import numpy as np
import pytest
from by_hand import drawn
from matplotlib import rc_context
from matplotlib.image import BboxImage
from matplotlib.text import Text
from matplotlib.transforms import Bbox, TransformedBbox

from mmx.show import artists
from mmx.show.blocks import picture, space
from mmx.show.lettering import Style, written
from mmx.show.plotting import plot_of, to_image
from mmx.show.style import own_style

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def by_matplotlib(pixels: np.ndarray, bounds: tuple[float, float, float, float]) -> np.ndarray:
    block = space(60, 50)
    where = TransformedBbox(Bbox.from_bounds(*bounds), block.get_transform())
    block.add_artist(BboxImage(where, data=pixels, interpolation="nearest"))
    return drawn(block)


def by_mmx(pixels: np.ndarray, bounds: tuple[float, float, float, float]) -> np.ndarray:
    block = space(60, 50)
    where = TransformedBbox(Bbox.from_bounds(*bounds), block.get_transform())
    block.add_artist(artists.Pixels(pixels, where))
    return drawn(block)


def test_a_picture_at_its_own_size_keeps_every_pixel() -> None:
    assert (drawn(picture(PIXELS, 40, 30)) == PIXELS).all()
    assert (drawn(picture(PIXELS[:1], 40, 1)) == PIXELS[:1]).all()


@pytest.mark.parametrize("bounds", [
    (5, 7, 40, 30), (5.5, 7, 40, 30), (5, 7.25, 40, 30), (5, 7, 20, 15), (5, 7, 50, 40), (-10, 7, 40, 30),
    (5, 40, 40, 30), (-90, 7, 40, 30)])
def test_a_picture_lies_where_matplotlib_lays_it(bounds: tuple[float, float, float, float]) -> None:
    assert abs(by_mmx(PIXELS, bounds).astype(int) - by_matplotlib(PIXELS, bounds)).max() <= 1


@pytest.mark.parametrize("x", [10, 10.5])
@pytest.mark.parametrize("text", [
    "Why $x$? ÁgjÅ", "ما لون الكرة؟", "e\u0301 fi AV", "f", " AV  To.\u00a0y, 7.1 W-A ", "To ملون 12 To",
    "色は 何 です"])
@pytest.mark.parametrize("style", [Style(16, color=(200, 0, 90)), Style(34, bold=True)])
def test_a_line_is_written_as_matplotlib_writes_it(text: str, style: Style, x: float) -> None:
    ours, theirs = space(400, 60), space(400, 60)
    line = written(x, 20, text, style)
    ours.add_artist(line)
    theirs.add_artist(Text(x, 20, text, color=line.get_color(), fontproperties=line.get_fontproperties(),
                           verticalalignment="baseline", parse_math=False))
    pixels = drawn(ours).astype(int)
    assert (pixels < 200).any() and abs(pixels - drawn(theirs)).max() <= 2


def test_words_are_made_once_and_whatever_a_user_has_set() -> None:
    def line() -> np.ndarray:
        block = space(400, 60)
        block.add_artist(written(10, 20, "once", Style(20)))
        with own_style():
            plot = plot_of(block, 0)
        return np.asarray(to_image(plot))

    artists._ink.cache_clear()
    with rc_context({"text.hinting": "none", "text.antialiased": False, "font.weight": "bold"}):
        there = line()
    assert (line() == there).all()
    assert (artists._ink.cache_info().misses, artists._ink.cache_info().hits) == (1, 1)
    artists._ink.cache_clear()
    assert (line() == there).all()
