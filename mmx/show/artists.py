"""Artists of matplotlib that draw what is pixels already: pictures at their own size, and lines of text made before.

It imports matplotlib, and is imported where something is drawn.
"""

from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.image import BboxImage
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform, TransformedBbox
from PIL import Image

from mmx.show.style import own_style

_ROUND = 1e-6  # of a pixel
_AROUND = 8  # pixels: letters reach beyond what a line is said to measure
_KEPT = 256  # lines of text: most stand on every sheet


class Pixels(BboxImage):
    """A picture (rows, columns, 3) of uint8; where a pixel of it is one of the canvas, it is not sampled again."""

    def __init__(self, pixels: np.ndarray, where: TransformedBbox) -> None:
        super().__init__(where, data=pixels, interpolation="nearest")
        self._pixels = pixels

    def make_image(self, renderer: Any, magnification: float = 1.0, unsampled: bool = False) -> tuple[Any, ...]:
        box = self.get_window_extent(renderer)
        sides = np.array([box.x0, box.y0, box.width, box.height]) * magnification
        whole, (rows, columns) = sides.round(), self._pixels.shape[:2]
        canvas = np.array(renderer.get_canvas_width_height()) * magnification
        inside = (whole[:2] >= 0).all() and (whole[:2] + whole[2:] <= canvas).all()
        if abs(sides - whole).max() > _ROUND or [*whole[2:]] != [columns, rows] or not inside:
            return super().make_image(renderer, magnification, unsampled)
        shown = np.asarray(Image.fromarray(self._pixels).convert("RGBA"))[::-1].copy()
        return shown, whole[0] / magnification, whole[1] / magnification, IdentityTransform()


class Line(Text):
    """One line of text on its baseline. Where it begins on a whole pixel, its letters are made once for all sheets."""

    def draw(self, renderer: Any) -> None:
        place = self.get_transform().transform(self.get_position())
        left, baseline = place.round().astype(int).tolist()
        if not isinstance(renderer, RendererAgg) or abs(place - place.round()).max() > _ROUND or not self.get_text():
            super().draw(renderer)
            return
        font = self.get_fontproperties()
        ink, above = _ink(self.get_text(), tuple(font.get_family()), font.get_size(), str(font.get_weight()),
                          renderer.dpi)
        shown = np.empty((*ink.shape, 4), dtype=np.uint8)
        shown[..., :3] = np.multiply(to_rgb(self.get_color()), 255).round()
        shown[..., 3] = ink[::-1]
        context = renderer.new_gc()
        renderer.draw_image(context, left - _AROUND, baseline - (len(ink) - above), shown)
        context.restore()


@lru_cache(maxsize=_KEPT)
def _ink(text: str, family: tuple[str, ...], size: float, weight: str, dpi: float) -> tuple[np.ndarray, int]:
    """How much of each pixel a line covers, (rows, columns) from 0 to 255, and how many rows lie over its baseline.

    There are as many columns as `_AROUND` before its beginning.
    """
    font = FontProperties(family=[*family], size=size, weight=weight)
    with own_style():
        width, height, descent = RendererAgg(1, 1, dpi).get_text_width_height_descent(text, font, False)
        below = ceil(descent) + _AROUND
        canvas = RendererAgg(ceil(width) + 2 * _AROUND, ceil(height) + below + _AROUND, dpi)
        context = canvas.new_gc()
        context.set_foreground("black")
        canvas.draw_text(context, _AROUND, canvas.height - below, text, font, 0)
    return np.asarray(canvas.buffer_rgba())[..., 3].copy(), int(canvas.height) - below
