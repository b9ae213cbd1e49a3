"""Artists of matplotlib that do nothing twice: pictures at their own size, words made before, blocks measured once.

It imports matplotlib, and is imported where something is drawn.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from math import ceil, floor
from typing import Any
from unicodedata import bidirectional

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.image import BboxImage
from matplotlib.offsetbox import HPacker, VPacker
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform, TransformedBbox
from PIL import Image

from mmx.show.style import own_style

_ROUND = 1e-6  # of a pixel
_AROUND = 8  # pixels: letters reach beyond what a line is said to measure
_KEPT = 512  # words: most stand on many sheets
_FROM_RIGHT = ("R", "AL", "AN", "RLE", "RLO", "RLI")  # of Unicode's bidirectional classes


class Pixels(BboxImage):
    """A picture (rows, columns, 3) of uint8; where a pixel of it is one of the canvas, it is not sampled again."""

    def __init__(self, pixels: np.ndarray, where: TransformedBbox) -> None:
        super().__init__(where, interpolation="nearest")
        self._pixels = pixels

    def draw(self, renderer: Any) -> None:
        corner = self._corner(renderer, 1) if isinstance(renderer, RendererAgg) and self.get_visible() else None
        if corner is None:
            self.set_data(self._pixels)
            super().draw(renderer)
            return
        canvas, (rows, columns) = np.asarray(renderer.buffer_rgba()), self._pixels.shape[:2]
        left, top = corner[0], len(canvas) - corner[1] - rows
        place = canvas[top:top + rows, left:left + columns]
        for channel in range(3):  # one by one: NumPy is slow where it takes three bytes, and three, and three
            place[..., channel] = self._pixels[..., channel]
        place[..., 3] = 255

    def make_image(self, renderer: Any, magnification: float = 1.0, unsampled: bool = False) -> tuple[Any, ...]:
        corner = self._corner(renderer, magnification)
        if corner is None:
            return super().make_image(renderer, magnification, unsampled)
        shown = np.asarray(Image.fromarray(self._pixels).convert("RGBA"))[::-1].copy()
        return shown, corner[0] / magnification, corner[1] / magnification, IdentityTransform()

    def _corner(self, renderer: Any, magnification: float) -> tuple[int, int] | None:
        """Left and bottom in pixels of the canvas, where a pixel of it is one of the canvas, and all are on it."""
        box = self.get_window_extent(renderer)
        sides = np.array([box.x0, box.y0, box.width, box.height]) * magnification
        whole, (rows, columns) = sides.round(), self._pixels.shape[:2]
        canvas = np.array(renderer.get_canvas_width_height()) * magnification
        inside = (whole[:2] >= 0).all() and (whole[:2] + whole[2:] <= canvas).all()
        if abs(sides - whole).max() > _ROUND or [*whole[2:]] != [columns, rows] or not inside:
            return None
        return int(whole[0]), int(whole[1])


class Line(Text):
    """One line of text on its baseline. Where it begins on a whole pixel, its words are made once for all sheets."""

    def draw(self, renderer: Any) -> None:
        place = self.get_transform().transform(self.get_position())
        left, baseline = place.round().astype(int).tolist()
        if not isinstance(renderer, RendererAgg) or abs(place - place.round()).max() > _ROUND or not self.get_text():
            super().draw(renderer)
            return
        font = self.get_fontproperties()
        look = tuple(font.get_family()), font.get_size(), str(font.get_weight()), renderer.dpi
        color = np.multiply(to_rgb(self.get_color()), 255).round()
        context, x = renderer.new_gc(), 0.0
        for piece in _pieces(self.get_text()):
            ink, below, width = _ink(piece, x % 1, *look)
            shown = np.empty((*ink.shape, 4), dtype=np.uint8)
            shown[..., :3], shown[..., 3] = color, ink
            renderer.draw_image(context, left + floor(x) - _AROUND, baseline - below, shown)
            x += width
        context.restore()


class Column(VPacker):
    """Blocks from top to bottom, which stay as they are: each is measured once, and not again in all that holds it."""

    def get_bbox(self, renderer: Any) -> Bbox:
        return _measured(self, super().get_bbox, renderer)


class Row(HPacker):
    """The same from left to right."""

    def get_bbox(self, renderer: Any) -> Bbox:
        return _measured(self, super().get_bbox, renderer)


def _measured(block: Any, measure: Callable[[Any], Bbox], renderer: Any) -> Bbox:
    known = vars(block).setdefault("_measured", {})
    pixel = renderer.points_to_pixels(1)
    if pixel not in known:
        known[pixel] = measure(renderer)
    return known[pixel]


@lru_cache(maxsize=_KEPT)
def _pieces(line: str) -> tuple[str, ...]:
    """Its words, each with the space behind it; all of it where words are not written in the order of their letters."""
    if any(bidirectional(char) in _FROM_RIGHT for char in line):
        return (line,)
    return tuple(re.findall(r"\s*\S+\s?|\s+", line))


@lru_cache(maxsize=_KEPT)
def _ink(text: str, start: float, family: tuple[str, ...], size: float, weight: str,
         dpi: float) -> tuple[np.ndarray, int, float]:
    """How much of each pixel a text covers that begins at `start` of one, (rows, columns) from 0 to 255, the lowest row
    first; how many rows lie under its baseline; and how wide it is.

    There are as many columns as `_AROUND` before its beginning.
    """
    font = FontProperties(family=[*family], size=size, weight=weight)
    with own_style():
        width, height, descent = RendererAgg(1, 1, dpi).get_text_width_height_descent(text, font, False)
        below = ceil(descent) + _AROUND
        canvas = RendererAgg(ceil(start + width) + 2 * _AROUND, ceil(height) + below + _AROUND, dpi)
        context = canvas.new_gc()
        context.set_foreground("black")
        canvas.draw_text(context, _AROUND + start, canvas.height - below, text, font, 0)
    return np.asarray(canvas.buffer_rgba())[::-1, :, 3].copy(), below, width
