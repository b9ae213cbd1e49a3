"""One panel of curves: axes in percent, a band for every interval, lines that stay apart in grey."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

from PIL import Image, ImageDraw

from mmx.render.canvas import blank
from mmx.render.colors import GREY, RULE, WHITE
from mmx.render.strokes import Stroke, draw_line, draw_marker
from mmx.render.typeset import Style, draw_text, text_width

_FINER = 3
_TICK = Style(16, color=GREY)
_AXIS = Style(17, color=GREY)
_BAND_ALPHA = 180  # shared among the bands, since they lie over each other
_FAINTEST, _STRONGEST = 18, 60
_LEFT, _BELOW, _AIR = 58, 62, 14
_Y_STEPS = (0.02, 0.05, 0.1, 0.2)
_MOST_TICKS = 7
LINE, RADIUS = 2.4, 5
_INSET = RADIUS + 2  # so that markers at the ends stay inside


@dataclass(frozen=True)
class Curve:
    """Means with intervals at the shares removed; all in [0, 1]."""

    label: str
    shares: tuple[float, ...]
    means: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]


@dataclass(frozen=True)
class Span:
    """The range of an axis, and how far its ticks are apart."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.low + number * self.step for number in range(count + 1)]

    def along(self, value: float, length: float) -> float:
        """Where a value lies on an axis of this length."""
        return _INSET + (value - self.low) / (self.high - self.low) * (length - 2 * _INSET)


SHARES = Span(0, 1, 0.2)


def span_of(curves: Sequence[Curve]) -> Span:
    """A range that holds every interval, with round ends."""
    low = min(value for curve in curves for value in curve.lows)
    high = max(value for curve in curves for value in curve.highs)
    step = next((step for step in _Y_STEPS if (high - low) / step <= _MOST_TICKS - 1), _Y_STEPS[-1])
    bottom, top = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
    return Span(bottom, max(top, bottom + step), step)


def chart(curves: Sequence[Curve], looks: Mapping[str, Stroke], span: Span, size: tuple[int, int],
          x_label: str) -> Image.Image:
    """Axes with ticks in percent around the curves; `looks` has the stroke of every label."""
    width, height = size
    canvas = blank(width, height)
    plot = width - _LEFT - _AIR, height - _BELOW - _AIR
    canvas.paste(_plot(curves, looks, span, plot), (_LEFT, _AIR))
    for tick in span.ticks:
        text = _percent(tick)
        y = _AIR + plot[1] - span.along(tick, plot[1])
        draw_text(canvas, _LEFT - 10 - text_width(text, _TICK), round(y + 0.36 * _TICK.size), text, _TICK)
    for tick in SHARES.ticks:
        text = _percent(tick)
        x = _LEFT + SHARES.along(tick, plot[0])
        draw_text(canvas, x - text_width(text, _TICK) / 2, _AIR + plot[1] + 22, text, _TICK)
    draw_text(canvas, _LEFT + (plot[0] - text_width(x_label, _AXIS)) / 2, height - 12, x_label, _AXIS)
    return canvas


def key_sample(look: Stroke, size: tuple[int, int]) -> Image.Image:
    """A short piece of a line with its marker, for the legend."""
    large = blank(*(_FINER * side for side in size))
    draw, middle = ImageDraw.Draw(large), large.height / 2
    draw_line(draw, [(0, middle), (large.width, middle)], look, round(_FINER * LINE))
    draw_marker(draw, large.width / 2, middle, look, _FINER * RADIUS, round(_FINER * LINE * 0.8))
    return large.resize(size, Image.Resampling.BOX)


def _plot(curves: Sequence[Curve], looks: Mapping[str, Stroke], span: Span, size: tuple[int, int]) -> Image.Image:
    large = Image.new("RGBA", (_FINER * size[0], _FINER * size[1]), (*WHITE, 255))
    grid = ImageDraw.Draw(large)
    for tick in span.ticks:
        y = _FINER * (size[1] - span.along(tick, size[1]))
        grid.line([(0, y), (large.width, y)], RULE, _FINER)
    grid.line([(0, 0), (0, large.height)], GREY, 2 * _FINER)
    alpha = min(_STRONGEST, max(_FAINTEST, _BAND_ALPHA // len(curves)))
    for curve in curves:
        edge = [*_points(curve.shares, curve.highs, span, size),
                *reversed(_points(curve.shares, curve.lows, span, size))]
        band = Image.new("RGBA", large.size, (*looks[curve.label].color, 0))
        ImageDraw.Draw(band).polygon(edge, (*looks[curve.label].color, alpha))
        large.alpha_composite(band)
    draw = ImageDraw.Draw(large)
    for curve in curves:
        draw_line(draw, _points(curve.shares, curve.means, span, size), looks[curve.label], round(_FINER * LINE))
    for curve in curves:
        for x, y in _points(curve.shares, curve.means, span, size):
            draw_marker(draw, x, y, looks[curve.label], _FINER * RADIUS, round(_FINER * LINE * 0.8))
    return large.convert("RGB").resize(size, Image.Resampling.BOX)


def _points(xs: Sequence[float], ys: Sequence[float], span: Span, size: tuple[int, int]) -> list[tuple[float, float]]:
    """In pixels of the finer canvas."""
    return [(_FINER * SHARES.along(x, size[0]), _FINER * (size[1] - span.along(y, size[1]))) for x, y in
            zip(xs, ys, strict=True)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
