"""Relevance at a picture's size: patches spread over their part of it, regions painted, all blended in one way."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.results import Box
from mmx.show.colors import Colors

Grid = tuple[np.ndarray, Box]
"""Values of patches, (rows, columns), and the part of the picture that they cover."""

_AT_ONCE = 32  # rows, so that what is in between stays in a processor's cache


def blended(image: Image.Image, field: np.ndarray, colors: Colors) -> Image.Image:
    """A picture under its strengths (height, width)."""
    ground = np.asarray(image.convert("RGB"))
    mixed = np.empty_like(ground)
    for top in range(0, len(ground), _AT_ONCE):
        rows = slice(top, top + _AT_ONCE)
        mixed[rows] = colors.over(ground[rows], field[rows])
    return Image.fromarray(mixed)


def painted(boxes: np.ndarray, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Each pixel has the value of the largest size among the boxes over it, (height, width); 0 beside them all.

    Args:
        boxes: (regions, 4), whole pixels, as `pixel_boxes` gives them.
    """
    field = np.zeros(size[::-1], dtype=np.float32)
    for index in weakest_first(values):
        left, top, right, bottom = boxes[index]
        field[top:bottom, left:right] = values[index]
    return field


def weakest_first(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.abs(values), kind="stable")


def strongest(fields: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Each pixel has the value of the largest size among the fields, (height, width) each; 0 where there is none."""
    found, *others = fields or [np.zeros(size[::-1], dtype=np.float32)]
    for field in others:
        found = np.where(np.abs(field) > np.abs(found), field, found)
    return found


def spread(values: np.ndarray, box: Box, size: tuple[int, int], cells: bool = False,
           middles: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """A grid (rows, columns) at the picture's size, 0 beside its box; what lies beyond the picture is never made.

    A patch keeps its value at its middle. In between it goes smoothly from one to the next by monotone cubic
    interpolation (Fritsch & Carlson 1980), which makes no peak that is not in the values; with `cells` each patch has
    one value.

    Args:
        middles: where those of rows and columns lie, as shares of the box, if they are not evenly spaced.
    """
    left, top, right, bottom = map(round, box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    first, last = (max(left, 0), max(top, 0)), (min(right, size[0]), min(bottom, size[1]))
    field = np.zeros(size[::-1], dtype=np.float32)
    if first[0] < last[0] and first[1] < last[1]:
        down = (np.arange(first[1], last[1]) + 0.5 - top) * values.shape[0] / (bottom - top)
        across = (np.arange(first[0], last[0]) + 0.5 - left) * values.shape[1] / (right - left)
        if cells:
            found = _stepped(_stepped(values, down, 0), across, 1)
        else:
            rows, columns = (np.arange(count) + 0.5 if middles is None else count * middles[axis]
                             for axis, count in enumerate(values.shape))
            found = _smooth(_smooth(values, down, 0, rows), across, 1, columns)
        field[first[1]:last[1], first[0]:last[0]] = found
    return field


def _stepped(values: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    return np.take(values, places.astype(int).clip(0, values.shape[axis] - 1), axis)


def _smooth(values: np.ndarray, places: np.ndarray, axis: int, middles: np.ndarray) -> np.ndarray:
    from scipy.interpolate import PchipInterpolator

    if len(middles) == 1:
        return np.repeat(values, len(places), axis)
    return PchipInterpolator(middles, values, axis=axis)(places.clip(middles[0], middles[-1]))


def pixel_boxes(boxes_xyxy_px: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whole pixels inside the picture; a box keeps at least one pixel."""
    boxes = np.asarray(boxes_xyxy_px, dtype=np.float64).reshape(-1, 4).round().astype(int)
    limits = np.array(size)
    start = boxes[:, :2].clip(0, limits - 1)
    stop = np.maximum(boxes[:, 2:].clip(1, limits), start + 1)
    return np.concatenate([start, stop], axis=1)
