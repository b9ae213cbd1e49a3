"""Boxes on a picture, each in a colour of its own, and tags on them that do not cover each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mmx.render.canvas import Box, rounded_box
from mmx.render.colors import RGB, WHITE, text_color_on
from mmx.render.tags import inside, overlap
from mmx.render.typeset import Style, clean, draw_text, text_width

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLORS: tuple[RGB, ...] = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
                            (240, 228, 66), (40, 40, 40))
_WIDEST_TAG = 0.4  # of the picture's width


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
    width = max(2, round(max(canvas.size) / 360))
    for one in sorted(boxes, key=lambda one: -_area(one.box)):
        draw_outline(canvas, one.box, one.color, width)
    taken: list[Box] = []
    for one in boxes:
        taken.append(_draw_tag(canvas, one, taken, style))


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


def _draw_tag(canvas: Image.Image, one: Tagged, taken: Sequence[Box], style: Style) -> Box:
    text, spot = _placed(one, taken, canvas.size, style)
    written = Style(style.size, style.bold, text_color_on(one.color))
    rounded_box(canvas, spot, style.size // 4, one.color, outline=WHITE)
    draw_text(canvas, spot[0] + style.size // 2, spot[1] + round(1.1 * style.size), text, written)
    return spot


def _placed(one: Tagged, taken: Sequence[Box], picture: tuple[int, int], style: Style) -> tuple[str, Box]:
    """The full text on its box if some place there is free, else the short one, at worst over another tag."""
    texts = [clean(one.text), clean(one.short)]
    if text_width(texts[0], style) + style.size > _WIDEST_TAG * picture[0]:
        texts = texts[1:]
    for text in texts:
        size = text_width(text, style) + style.size, round(1.5 * style.size)
        spots = list(_spots(one.box, size, picture))
        free = next((spot for spot in spots if not any(overlap(spot, other) for other in taken)), None)
        if free is not None:
            return text, free
    return text, min(spots, key=lambda spot: sum(overlap(spot, other) for other in taken))


def _spots(box: Sequence[float], size: tuple[int, int], picture: tuple[int, int]) -> Iterator[Box]:
    """Where a tag may stand: above its box, then ever farther from there, within the box or along its edges."""
    (left, top, right, bottom), (width, height) = box, size
    first = inside(left, top - height, size, picture)
    xs = np.arange(left, max(left, right - width) + 1, max(1, width / 2))
    ys = np.arange(top - height, bottom + 1, max(1, height / 2))
    found = {inside(x, y, size, picture) for x in (*xs, right - width, left - width, right) for y in (*ys, bottom)}
    yield first
    yield from sorted(found, key=lambda spot: (abs(spot[0] - first[0]) + abs(spot[1] - first[1]), spot))


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
