"""Relevance at a picture's size: patches spread over their part of it, regions painted."""

from collections.abc import Sequence

import numpy as np

from mmx.results import Box

Grid = tuple[np.ndarray, Box]
"""Values of patches, (rows, columns), and the part of the picture that they cover."""


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
    known = np.moveaxis(values, axis, 0)
    slopes = PchipInterpolator(middles, known).derivative()(middles)
    weights = _hermite(places.clip(middles[0], middles[-1]), middles)
    found = weights.astype(np.float32) @ np.concatenate([known, slopes]).astype(np.float32)
    return np.moveaxis(found, 0, axis)


def _hermite(places: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """What values and slopes at the middles weigh at places between them, (places, 2 * middles)."""
    count, every = len(middles), np.arange(len(places))
    before = (np.searchsorted(middles, places, side="right") - 1).clip(0, count - 2)
    apart = np.diff(middles)[before]
    weights, t = np.zeros((len(places), 2 * count)), (places - middles[before]) / apart
    weights[every, before], weights[every, before + 1] = (1 + 2 * t) * (1 - t)**2, t**2 * (3 - 2 * t)
    weights[every, count + before] = apart * t * (1 - t)**2
    weights[every, count + before + 1] = apart * t**2 * (t - 1)
    return weights


def pixel_boxes(boxes_xyxy_px: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whole pixels inside the picture; a box keeps at least one pixel."""
    boxes = np.asarray(boxes_xyxy_px, dtype=np.float64).reshape(-1, 4).round().astype(int)
    limits = np.array(size)
    start = boxes[:, :2].clip(0, limits - 1)
    stop = np.maximum(boxes[:, 2:].clip(1, limits), start + 1)
    return np.concatenate([start, stop], axis=1)
