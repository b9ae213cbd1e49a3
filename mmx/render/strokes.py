"""Lines of a chart that stay apart in grey: each has a colour, a dash pattern and a marker of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from mmx.render.colors import RGB, WHITE

Points = Sequence[tuple[float, float]]

# Okabe and Ito's colours without the yellow, which a white ground swallows, and with darker neighbours between them.
_COLORS: tuple[RGB, ...] = ((0, 84, 150), (213, 94, 0), (0, 130, 96), (170, 60, 130), (40, 40, 40), (200, 140, 0),
                            (60, 150, 215))
_DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 3), (10, 3, 2, 3), (4, 2))
_MARKERS = ("circle", "square", "triangle", "diamond", "wedge", "cross")
_CORNERS = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)), "triangle": ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)), "wedge": ((0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
}


@dataclass(frozen=True)
class Stroke:
    """How one line looks; a dash pattern is in widths of the line, on and off in turn, and none is a solid line."""

    color: RGB
    dash: tuple[float, ...]
    marker: str
    hollow: bool


def stroke(number: int) -> Stroke:
    """Of the line with this number, from 0: colours, dashes and markers go round at different lengths."""
    return Stroke(_COLORS[number % len(_COLORS)], _DASHES[number % len(_DASHES)], _MARKERS[number % len(_MARKERS)],
                  hollow=number % 2 == 1)


def draw_line(draw: ImageDraw.ImageDraw, points: Points, look: Stroke, width: int) -> None:
    for piece in _pieces(points, [width * length for length in look.dash]):
        draw.line(piece, fill=look.color, width=width, joint="curve")


def draw_marker(draw: ImageDraw.ImageDraw, x: float, y: float, look: Stroke, radius: float, width: int) -> None:
    fill = WHITE if look.hollow else look.color
    if look.marker == "cross":
        for slope in (-1, 1):
            draw.line([(x - radius, y - slope * radius), (x + radius, y + slope * radius)], look.color, width)
    elif look.marker == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill, look.color, width)
    else:
        corners = [(x + radius * dx, y + radius * dy) for dx, dy in _CORNERS[look.marker]]
        draw.polygon(corners, fill, look.color, width)


def _pieces(points: Points, dash: Sequence[float]) -> list[list[tuple[float, float]]]:
    """The parts of a line that are drawn: all of it, or what the dashes leave."""
    path = np.asarray(points, dtype=float)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    if not dash or along[-1] == 0:
        return [list(map(tuple, path.tolist()))]
    ends = np.cumsum(np.tile(dash, int(along[-1] // sum(dash)) + 1))
    edges = np.concatenate([[0.0], ends[ends < along[-1]], [along[-1]]])
    drawn = zip(edges[:-1:2], edges[1::2], strict=False)
    return [_between(path, along, start, end) for start, end in drawn]


def _between(path: np.ndarray, along: np.ndarray, start: float, end: float) -> list[tuple[float, float]]:
    places = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
    return list(zip(*(np.interp(places, along, path[:, axis]).tolist() for axis in (0, 1)), strict=True))
