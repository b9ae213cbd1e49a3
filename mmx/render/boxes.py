"""Boxes on a picture, each in a colour of its own, and tags on them that do not cover each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mmx.render.canvas import Box, rounded_box
from mmx.render.colors import RGB, WHITE, text_color_on
from mmx.render.tags import kept_inside, overlap
from mmx.render.typeset import Style, clean, draw_text, text_width

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLORS: tuple[RGB, ...] = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
                            (240, 228, 66), (40, 40, 40))
_WIDEST_TAG = 0.7  # of the picture's width
_HIDES_AT_MOST = 0.2  # of any box


@dataclass(frozen=True)
class Tagged:
    """A box in the canvas's pixels with its colour; `short` stands where `text` has no room."""

    box: tuple[float, float, float, float]
    color: RGB
    text: str
    short: str


def color_of(number: int) -> RGB:
    """Of the detection with this number, from 0; after the last colour the first follows."""
    return _COLORS[number % len(_COLORS)]


def draw_boxes(canvas: Image.Image, boxes: Sequence[Tagged], style: Style) -> None:
    """Outlines every box, small ones over large ones, and tags each; earlier ones get the better places."""
    width = max(3, round(max(canvas.size) / 360))
    for one in sorted(boxes, key=lambda one: -_area(one.box)):
        draw_outline(canvas, one.box, one.color, width)
    taken: list[Box] = []
    for one in boxes:
        text, spot = _placed(one, [other.box for other in boxes], taken, canvas.size, style)
        written = Style(style.size, style.bold, text_color_on(one.color))
        rounded_box(canvas, spot, style.size // 4, one.color, outline=WHITE)
        draw_text(canvas, spot[0] + style.size // 2, spot[1] + round(1.1 * style.size), text, written)
        taken.append(spot)


def draw_outline(canvas: Image.Image, box: Sequence[float], color: RGB, width: int) -> None:
    """A frame with a white rim on both sides, so that it shows on any ground; cut to the canvas."""
    limits = np.array([*canvas.size, *canvas.size]) - 1
    left, top, right, bottom = np.clip(np.round(box), 0, limits).astype(int).tolist()
    frame = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
    draw, rim = ImageDraw.Draw(canvas), 1 + width // 4
    draw.rectangle(frame, outline=WHITE, width=width + 2 * rim)
    inner = (frame[0] + rim, frame[1] + rim, frame[2] - rim, frame[3] - rim)
    if inner[0] <= inner[2] and inner[1] <= inner[3]:
        draw.rectangle(inner, outline=color, width=width)


def _placed(one: Tagged, boxes: Sequence[Sequence[float]], taken: Sequence[Box], picture: tuple[int, int],
            style: Style) -> tuple[str, Box]:
    """The full text on its box where no other tag stands and no box is hidden, else the short one, at worst on both."""
    long, short = clean(one.text), clean(one.short)
    texts = [short] if text_width(long, style) + style.size > _WIDEST_TAG * picture[0] else [long, short]
    for text in texts:
        size = text_width(text, style) + style.size, round(1.5 * style.size)
        spots = list(_spots(one.box, size, picture))
        free = [spot for spot in spots if not any(overlap(spot, other) for other in taken)]
        clear = next((spot for spot in free if _hidden(spot, boxes) <= _HIDES_AT_MOST), None)
        if clear is not None:
            return text, clear
    if free:
        return text, min(free, key=lambda spot: _hidden(spot, boxes))
    return text, min(spots, key=lambda spot: sum(overlap(spot, other) for other in taken))


def _hidden(spot: Box, boxes: Sequence[Sequence[float]]) -> float:
    """The largest share of any box that a tag hides."""
    return max(overlap(spot, box) / max(1.0, _area(box)) for box in boxes)


def _spots(box: Sequence[float], size: tuple[int, int], picture: tuple[int, int]) -> Iterator[Box]:
    """Where a tag may stand: above its box, then ever farther from there, within the box or along its edges."""
    (left, top, right, bottom), (width, height) = box, size
    first = kept_inside(left, top - height, size, picture)
    xs = np.arange(left, max(left, right - width) + 1, max(1, width / 2))
    ys = np.arange(top - height, bottom + 1, max(1, height / 2))
    found = {kept_inside(x, y, size, picture) for x in (*xs, right - width, left - width, right) for y in (*ys, bottom)}
    yield first
    yield from sorted(found, key=lambda spot: (abs(spot[0] - first[0]) + abs(spot[1] - first[1]), spot))


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
