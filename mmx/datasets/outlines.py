"""Outlines of objects as COCO writes them, checked before pycocotools' C code reads them, which believes everything.

Run lengths that are too short have it decode memory that nobody wrote, too long ones have it loop for ever, and points
far from the picture have it ask for all the memory there is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as rle

Code = Any
"""COCO's compressed run lengths: a dict of "size", height and width, and "counts"; pycocotools' type is private."""

_REACH = 3  # times a picture's size, with as much on either side of it
_LONGEST_WAY = 10**6
_FIRST, _LAST, _BITS, _MORE, _SIGN = 48, 111, 5, 0x20, 0x10
_MOST_CHARACTERS = 7  # of one number: five bits each, and runs are shorter than 2 ** 32


class OutlineError(ValueError):
    """An outline or a box that nothing can be compared with; its text says why."""


class DamagedError(OutlineError):
    """Run lengths of some other picture, or of none: nobody draws these, so more of the file may be wrong."""


def encoded(segmentation: Any, height: int, width: int) -> Code:
    """Polygons, or counts in a list (crowds) or in a string, as compressed run lengths. Raises OutlineError."""
    if segmentation is None or segmentation == []:
        raise OutlineError("it has no outline")
    if isinstance(segmentation, list):
        return rle.merge(rle.frPyObjects(_checked_polygons(segmentation, height, width), height, width))
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get("counts"), list | str):
        raise OutlineError("its outline is neither polygons nor run lengths")
    if segmentation.get("size") != [height, width]:
        raise DamagedError(f"its run lengths are of a picture of height and width {segmentation.get('size')}, and the "
                           f"picture has {[height, width]}")
    counts = segmentation["counts"]
    if isinstance(counts, str):
        return checked_code(counts, height, width)
    runs = _whole_numbers(counts)
    _check_runs(runs, height, width)
    return rle.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)


def checked_code(counts: str, height: int, width: int) -> Code:
    """Compressed run lengths as pycocotools takes them. Raises DamagedError where they do not fit the picture."""
    if not isinstance(counts, str):
        raise DamagedError("its run lengths are no string of COCO's")
    _check_runs(_runs_of(counts), height, width)
    return {"size": [height, width], "counts": counts}


def masks_of(codes: Sequence[Code], height: int, width: int) -> np.ndarray:
    """The masks, (n, height, width) bool, of run lengths that were checked."""
    return np.array([rle.decode(code) for code in codes], dtype=bool).reshape(-1, height, width)


def check_reach(xy: np.ndarray, height: int, width: int, what: str) -> None:
    """OutlineError where one of the points (n, 2) is not finite, or further out than the picture is large."""
    (left, top), (right, bottom) = xy.min(0).tolist(), xy.max(0).tolist()
    if left >= -width and top >= -height and right <= 2 * width and bottom <= 2 * height:
        return
    if not np.isfinite(xy).all():
        raise OutlineError(f"{what} has a coordinate that is not finite")
    far = ((xy < [-width, -height]) | (xy > [2 * width, 2 * height])).any(1)
    x, y = xy[far.argmax()]
    raise OutlineError(f"{what} reaches to ({x:g}, {y:g}), far out of a picture of {width} x {height} pixels")


def _checked_polygons(polygons: list[Any], height: int, width: int) -> list[Any]:
    shapes = [_points(polygon) for polygon in polygons]
    for points in shapes:
        check_reach(points, height, width, "a polygon")
    if sum(map(len, shapes)) * _REACH * max(height, width) > _LONGEST_WAY:
        way = sum(np.abs(points - np.roll(points, 1, axis=0)).max(1).sum() for points in shapes)
        if way > _LONGEST_WAY:
            raise OutlineError(f"its polygons are {way:g} pixels long all round")
    return polygons


def _points(polygon: Any) -> np.ndarray:
    try:
        numbers = np.array(polygon)
    except ValueError:
        numbers = np.array(None)
    if not isinstance(polygon, list) or numbers.ndim != 1 or numbers.dtype.kind not in "iuf":
        raise OutlineError("one of its polygons is no list of numbers")
    if len(numbers) % 2 or len(numbers) < 6:
        raise OutlineError(f"one of its polygons has {len(numbers)} numbers, not two for each of three points or more")
    return numbers.astype(np.float64).reshape(-1, 2)


def _whole_numbers(counts: list[Any]) -> np.ndarray:
    if not all(type(one) is int or (type(one) is float and one.is_integer()) for one in counts):
        raise DamagedError("its run lengths are not all whole numbers")
    return np.array([int(one) for one in counts], dtype=object)


def _check_runs(runs: np.ndarray, height: int, width: int) -> None:
    if len(runs) and runs.min() < 0:
        raise DamagedError(f"one of its run lengths is {runs.min()}")
    if runs.sum() != height * width:
        raise DamagedError(f"its run lengths add up to {runs.sum()} pixels, and a picture of {width} x {height} has "
                           f"{height * width}")


def _runs_of(counts: str) -> np.ndarray:
    """What the characters stand for: five bits of a number each, and from the fourth number on the difference to the
    last but one."""
    codes = np.array([ord(one) for one in counts], dtype=np.int64)
    if not len(codes) or codes.min() < _FIRST or codes.max() > _LAST or (codes[-1] - _FIRST) & _MORE:
        raise DamagedError("its run lengths are no string of COCO's")
    codes -= _FIRST
    starts = np.flatnonzero(np.append(True, codes[:-1] & _MORE == 0))
    lengths = np.diff(np.append(starts, len(codes)))
    if lengths.max() > _MOST_CHARACTERS:
        raise DamagedError("its run lengths are no string of COCO's")
    places = np.arange(len(codes)) - np.repeat(starts, lengths)
    runs = np.add.reduceat((codes & (_MORE - 1)) << (_BITS * places), starts)
    runs -= np.where(codes[starts + lengths - 1] & _SIGN, 1 << (_BITS * lengths), 0)
    runs[1::2] = runs[1::2].cumsum()
    runs[2::2] = runs[2::2].cumsum()
    return runs
