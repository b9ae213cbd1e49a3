"""Small name tags on the most relevant regions of a picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.render.canvas import Box, rounded_box
from mmx.render.colors import WHITE, Colormap, rgb, text_color_on
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
    for rank, index in enumerate(ranked(strengths), start=1):
        text = _tag_text(rank, regions[index].label, style, canvas.width)
        width = text_width(text, style) + style.size
        spot = _free_spot(boxes_xyxy_px[index], (width, height), canvas.size, taken)
        taken.append(spot)
        fill = rgb(colormap, float(np.sign(strengths[index]) * max(0.5, abs(strengths[index]))))
        rounded_box(canvas, (spot[0] - 1, spot[1] - 1, spot[2] + 1, spot[3] + 1), style.size // 4 + 1, WHITE)
        rounded_box(canvas, spot, style.size // 4, fill)
        written = Style(style.size, style.bold, text_color_on(fill))
        draw_text(canvas, spot[0] + style.size // 2, spot[1] + round(1.1 * style.size), text, written)


def _tag_text(rank: int, label: str | None, style: Style, room: int) -> str:
    text = clean(f"{rank} {label or ''}")
    return text if text_width(text, style) + 2 * style.size <= room // 2 else str(rank)


def _free_spot(box: np.ndarray, size: tuple[int, int], picture: tuple[int, int], taken: Sequence[Box]) -> Box:
    """Above, below or inside a box's corners: the first spot that hides no other tag, else the one that hides least."""
    (left, top, right, bottom), (width, height) = box.tolist(), size
    corners = [(x, y) for y in (top - height - 2, bottom + 2) for x in (left, right - width)]
    corners += [(x, y) for y in (top + 3, bottom - height - 3) for x in (left + 3, right - width - 3)]
    corners += [(left + 3, top + 3 + step * (height + 3)) for step in range(1, 4)]
    spots = [_inside(x, y, size, picture) for x, y in corners]
    return min(spots, key=lambda spot: (sum(_overlap(spot, other) for other in taken), spots.index(spot)))


def _inside(x: float, y: float, size: tuple[int, int], picture: tuple[int, int]) -> Box:
    left = int(min(max(x, 2), picture[0] - size[0] - 2))
    top = int(min(max(y, 2), picture[1] - size[1] - 2))
    return left, top, left + size[0], top + size[1]


def _overlap(one: Box, other: Box) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width + 2) * max(0, height + 2)
