"""The grids of patches of a picture, of which several may lie over one another: all of it, and parts of it enlarged."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mmx.results import Block, Box, Patches, evened
from mmx.show.overlay import Grid, spread

Middles = tuple[np.ndarray, np.ndarray]
"""Where the middles of rows and columns lie, as shares of a box."""

_DIGITS = 3  # of a pixel
_SLIGHT = 0.01  # of a patch


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
             if isinstance(block.element, Patches) and block.element.picture == picture and len(block.element)]
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
    rows = np.floor((down - top) * values.shape[0] / max(bottom - top, 1)).astype(int)
    columns = np.floor((across - left) * values.shape[1] / max(right - left, 1)).astype(int)
    inside = np.outer((rows >= 0) & (rows < values.shape[0]), (columns >= 0) & (columns < values.shape[1]))
    if not values.size:
        return np.zeros(inside.shape)
    return np.where(inside, values[np.ix_(rows.clip(0, values.shape[0] - 1), columns.clip(0, values.shape[1] - 1))], 0)


def added(grids: Sequence[Grid], size: tuple[int, int], cells: bool = False) -> np.ndarray:
    """Grids that lie over one another at the picture's size, each spread by itself, (height, width).

    Unless each patch has one value, tiles side by side are spread as one grid, so that no seam is seen between them.
    """
    first, *others = ([spread(*grid, size, cells) for grid in grids] if cells else
                      [spread(values, box, size, middles=middles) for values, box, middles in _without_seams(grids)])
    return sum(others, first)


def _without_seams(grids: Sequence[Grid]) -> Iterator[tuple[np.ndarray, Box, Middles | None]]:
    """Grids as they are, but as one those of patches of one size that lie in rows and columns, less than a patch apart.
    """
    alike: dict[tuple[float, float], list[Grid]] = {}
    for grid in grids:
        height, width = _patch(grid)
        alike.setdefault((round(height, _DIGITS), round(width, _DIGITS)), []).append(grid)
    for several in alike.values():
        whole = _mosaic(several) if len(several) > 1 else None
        yield from [whole] if whole else [(*grid, None) for grid in several]


def _mosaic(tiles: Sequence[Grid]) -> tuple[np.ndarray, Box, Middles] | None:
    """One grid of tiles; None where they do not make one."""
    height, width = _patch(tiles[0])
    at = {(round(box[1], _DIGITS), round(box[0], _DIGITS)): values for values, box in tiles}
    tops, lefts = sorted({top for top, _ in at}), sorted({left for _, left in at})
    if len(tops) * len(lefts) != len(tiles) or len(at) != len(tiles):
        return None
    down = np.concatenate([top + (np.arange(len(at[top, lefts[0]])) + 0.5) * height for top in tops])
    across = np.concatenate([left + (np.arange(at[tops[0], left].shape[1]) + 0.5) * width for left in lefts])
    apart = np.concatenate([np.diff(down) / height, np.diff(across) / width])
    try:
        values = np.block([[at[top, left] for left in lefts] for top in tops])
    except ValueError:  # they are not of one height or width
        return None
    if apart.min() < 1 - _SLIGHT or apart.max() >= 2:
        return None
    box = across[0] - width / 2, down[0] - height / 2, across[-1] + width / 2, down[-1] + height / 2
    return values, box, ((down - box[1]) / (box[3] - box[1]), (across - box[0]) / (box[2] - box[0]))


def _patch(grid: Grid) -> tuple[float, float]:
    """Height and width of a patch."""
    values, (left, top, right, bottom) = grid
    return (bottom - top) / max(1, values.shape[0]), (right - left) / max(1, values.shape[1])
