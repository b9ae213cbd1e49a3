"""The grids of patches of a picture, of which several may lie over one another: all of it, and parts of it enlarged."""

from collections.abc import Iterable, Sequence

import numpy as np

from mmx.results import Block, Box, Patches, evened
from mmx.show.overlay import Grid

_SLIGHT = 1e-9


def by_stream_of(blocks: Iterable[Block], kind: type) -> list[list[Block]]:
    """Those of one kind of element, stream by stream."""
    streams: dict[str, list[Block]] = {}
    for block in blocks:
        if isinstance(block.element, kind):
            streams.setdefault(block.stream, []).append(block)
    return list(streams.values())


def grids_of(blocks: Iterable[Block], picture: int) -> list[Grid]:
    """Those of a picture, made comparable where there are several; see `mmx.results.evened`."""
    found = [(block.element, block.scores) for block in blocks
             if isinstance(block.element, Patches) and block.element.picture == picture]
    scores = evened([patches for patches, _ in found], [values for _, values in found])
    return [(values.reshape(patches.rows, patches.columns), patches.box_xyxy_px)
            for (patches, _), values in zip(found, scores, strict=True)]


def boxes_of(blocks: Iterable[Block], picture: int) -> list[Box]:
    """Of each of their patches."""
    return [box for block in blocks if isinstance(block.element, Patches) and block.element.picture == picture
            for box in block.element.boxes_xyxy_px]


def together(grids: Sequence[Grid]) -> np.ndarray:
    """What all grids come to where they are added, at the middle of each patch: (patches,), one grid after another.

    Of a single grid it is its own values.
    """
    found = [np.zeros(0)]
    for number, (values, (left, top, right, bottom)) in enumerate(grids):
        down, across = (start + (np.arange(count) + 0.5) * (end - start) / max(1, count)
                        for count, start, end in zip(values.shape, (top, left), (bottom, right), strict=True))
        others = (_values_at(other, down, across) for place, other in enumerate(grids) if place != number)
        found.append(sum(others, values).ravel())
    return np.concatenate(found)


def _values_at(grid: Grid, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """The values of the patches over these places, (down, across); 0 beside the grid."""
    values, (left, top, right, bottom) = grid
    rows = np.floor((down - top) * values.shape[0] / max(bottom - top, _SLIGHT)).astype(int)
    columns = np.floor((across - left) * values.shape[1] / max(right - left, _SLIGHT)).astype(int)
    inside = np.outer((rows >= 0) & (rows < values.shape[0]), (columns >= 0) & (columns < values.shape[1]))
    if not values.size:
        return np.zeros(inside.shape)
    return np.where(inside, values[np.ix_(rows.clip(0, values.shape[0] - 1), columns.clip(0, values.shape[1] - 1))], 0)
