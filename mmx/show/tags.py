"""Boxes on a picture, each in a colour of its own, and name tags that do not cover each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmx.results import Box
from mmx.show.blocks import framed, rounded
from mmx.show.colors import GREY, INK, RGB, WHITE, text_color_on
from mmx.show.lettering import Style, text_width, written
from mmx.show.text import clean

if TYPE_CHECKING:
    from matplotlib.offsetbox import DrawingArea

Spot = tuple[int, int, int, int]

_WIDEST_TAG = 0.7  # of the picture's width
_HIDES_AT_MOST = 0.2  # of any box


@dataclass(frozen=True)
class Tag:
    """What is written at a box; `short` stands where `text` has no room."""

    box: Box
    color: RGB
    text: str
    short: str


def draw_outline(block: "DrawingArea", box: Box, color: RGB, width: int) -> None:
    """A frame with a white rim on both sides, so that it shows on any ground; cut to the block."""
    rim = 1 + width // 4
    draw_frame(block, box, WHITE, width + 2 * rim)
    left, top, right, bottom = box
    if right - left > 2 * rim and bottom - top > 2 * rim:
        draw_frame(block, (left + rim, top + rim, right - rim, bottom - rim), color, width)


def draw_frame(block: "DrawingArea", box: Box, color: RGB, width: float, alpha: float = 1) -> None:
    """A frame inside the edges of a box (left, top, right, bottom, downwards); cut to the block."""
    left, top, right, bottom = _cut(box, (int(block.width), int(block.height)))
    bounds = left, block.height - bottom, right - left, bottom - top
    block.add_artist(framed(bounds, color, min(width, right - left, bottom - top), alpha))


def draw_tags(block: "DrawingArea", tags: Sequence[Tag], style: Style, widest: float = _WIDEST_TAG) -> None:
    """Writes every tag; earlier ones get the better places. `widest`: of the picture's width, for a full text."""
    taken: list[Spot] = []
    for one in tags:
        size = int(block.width), int(block.height)
        text, spot = _placed(one, [other.box for other in tags], taken, size, style, widest)
        letters = Style(style.size, style.bold, text_color_on(one.color))
        left, top, right, bottom = spot
        block.add_artist(rounded((left, block.height - bottom, right - left, bottom - top), style.size / 4, one.color,
                                 edge=GREY if letters.color == INK else WHITE))
        baseline = block.height - top - round(1.1 * style.size)
        block.add_artist(written(left + style.size // 2, baseline, text, letters))
        taken.append(spot)


def _cut(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole pixels within the picture, at least one wide and high."""
    limits = np.array([*size, *size])
    left, top, right, bottom = np.clip(np.round(box), 0, limits).astype(int).tolist()
    left, top = min(left, size[0] - 1), min(top, size[1] - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _placed(one: Tag, boxes: Sequence[Box], taken: Sequence[Spot], picture: tuple[int, int], style: Style,
            widest: float) -> tuple[str, Spot]:
    """The full text on its box where no other tag stands and no box is hidden, else the short one, at worst on both."""
    long, short = clean(one.text), clean(one.short)
    spots, free = list[Spot](), list[Spot]()
    for text in (short,) if text_width(long, style) + style.size > widest * picture[0] else (long, short):
        size = text_width(text, style) + style.size, round(1.5 * style.size)
        spots = list(_spots(one.box, size, picture))
        free = [spot for spot in spots if not any(_overlap(spot, other) for other in taken)]
        clear = next((spot for spot in free if _hidden(spot, boxes) <= _HIDES_AT_MOST), None)
        if clear is not None:
            return text, clear
    if free:
        return short, min(free, key=lambda spot: _hidden(spot, boxes))
    return short, min(spots, key=lambda spot: sum(_overlap(spot, other) for other in taken))


def _hidden(spot: Spot, boxes: Sequence[Box]) -> float:
    """The largest share of any box that a tag hides."""
    return max(_overlap(spot, box) / max(1.0, area(box)) for box in boxes)


def _spots(box: Box, size: tuple[int, int], picture: tuple[int, int]) -> Iterator[Spot]:
    """Where a tag may stand: above its box, then ever farther from there, within the box or along its edges."""
    (left, top, right, bottom), (width, height) = box, size
    first = _kept_inside(left, top - height, size, picture)
    xs = np.arange(left, max(left, right - width) + 1, max(1, width / 2))
    ys = np.arange(top - height, bottom + 1, max(1, height / 2))
    found = {_kept_inside(x, y, size, picture)
             for x in (*xs, right - width, left - width, right) for y in (*ys, bottom)}
    yield first
    yield from sorted(found, key=lambda spot: (abs(spot[0] - first[0]) + abs(spot[1] - first[1]), spot))


def _kept_inside(x: float, y: float, size: tuple[int, int], picture: tuple[int, int]) -> Spot:
    left = int(min(max(x, 2), picture[0] - size[0] - 2))
    top = int(min(max(y, 2), picture[1] - size[1] - 2))
    return left, top, left + size[0], top + size[1]


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width + 2) * max(0, height + 2)
