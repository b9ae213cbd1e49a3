"""Small name tags on the most relevant regions of a picture."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from PIL import Image

from mmx.render.canvas import Box, rounded_box
from mmx.render.colors import GREY, INK, WHITE, Colormap, rgb, text_color_on
from mmx.render.typeset import Style, clean, draw_text, text_width
from mmx.types import Region

_SMALLEST_PICTURE = 4  # in tag heights: below it, tags would hide what they name


def ranked(strengths: np.ndarray, count: int = 3) -> list[int]:
    """Indices of the strongest regions, strongest first, without those that have no relevance."""
    strongest = np.argsort(-np.abs(strengths), kind="stable")[:count]
    return [int(index) for index in strongest if strengths[index]]


def draw_tags(
    canvas: Image.Image,
    boxes_xyxy_px: np.ndarray,
    regions: Sequence[Region],
    strengths: np.ndarray,
    colormap: Colormap,
    style: Style,
) -> None:
    """Names the strongest regions by rank and label, inside the picture and apart from each other if there is room."""
    height = round(1.5 * style.size)
    if min(canvas.size) < _SMALLEST_PICTURE * height:
        return
    taken: list[Box] = []
    strongest = ranked(strengths)
    for rank, index in enumerate(strongest, start=1):
        text = _tag_text(rank, regions[index].label, style, canvas.width)
        width = text_width(text, style) + style.size
        others = [boxes_xyxy_px[other].tolist() for other in strongest if other != index]
        spot = min(_spots(boxes_xyxy_px[index], (width, height), canvas.size), key=partial(_hidden, taken, others))
        taken.append(spot)
        fill = rgb(colormap, float(strengths[index]))
        written = Style(style.size, style.bold, text_color_on(fill))
        rounded_box(canvas, spot, style.size // 4, fill, outline=GREY if written.color == INK else WHITE)
        draw_text(canvas, spot[0] + style.size // 2, spot[1] + round(1.1 * style.size), text, written)


def _tag_text(rank: int, label: str | None, style: Style, room: int) -> str:
    text = clean(f"{rank} {label or ''}")
    return text if text_width(text, style) + 2 * style.size <= room // 2 else str(rank)


def _spots(box: np.ndarray, size: tuple[int, int], picture: tuple[int, int]) -> list[Box]:
    """Where a tag may stand, best first: at a corner of its box, and within the box if that is roomy."""
    (left, top, right, bottom), (width, height) = box.tolist(), size
    outside = [(x, y) for y in (top - height - 2, bottom + 2) for x in (left, right - width)]
    inside = [(x, y) for y in (top + 5, bottom - height - 5) for x in (left + 5, right - width - 5)]
    inside += [(left + 5, top + 5 + step * (height + 3)) for step in range(1, 4)]
    is_roomy = right - left > 2 * width and bottom - top > 2.5 * height
    return [kept_inside(x, y, size, picture) for x, y in (inside + outside if is_roomy else outside + inside)]


def _hidden(tags: Sequence[Box], boxes: Sequence[Box], spot: Box) -> tuple[float, float]:
    """How much of other tags, and of the other strongest regions, a tag would hide."""
    return sum(overlap(spot, tag) for tag in tags), sum(overlap(spot, box) for box in boxes)


def kept_inside(x: float, y: float, size: tuple[int, int], picture: tuple[int, int]) -> Box:
    left = int(min(max(x, 2), picture[0] - size[0] - 2))
    top = int(min(max(y, 2), picture[1] - size[1] - 2))
    return left, top, left + size[0], top + size[1]


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width + 2) * max(0, height + 2)
