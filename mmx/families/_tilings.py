"""Where in a picture the image tokens of a model that writes lie, and the patches of its vision tower: arithmetic.

A tower sees a picture as one or several square views, in the order of `pixel_values`. Views that lie side by side make
a canvas, which covers a part of the picture, or more than it where it is padded. A view's patches become tokens one by
one, or several of them one token. All of it is said in the pixels of the picture as it was given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, sqrt
from typing import NamedTuple

Box = tuple[float, float, float, float]
"""left, top, right, bottom in the picture's pixels"""
Size = tuple[int, int]
"""width, height"""

_SLIGHT = 1e-6
_SHRINKS_FROM = 1.1


class Grid(NamedTuple):
    """`rows` x `columns` of equal cells over a part of the picture, row by row; perhaps beyond its edge."""

    rows: int
    columns: int
    box_xyxy_px: Box


@dataclass(frozen=True)
class Placed:
    """Which of `count` things lie where.

    Attributes:
        grids: whose cells they are, one grid after another.
        order: the number of what each cell is, row by row, grid by grid, (cells,). What is not among them has no place
            in the picture, as tokens at the end of a line have none.
    """

    grids: tuple[Grid, ...]
    order: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Tiling:
    """A picture as a model takes it.

    Attributes:
        tokens: its image tokens, in the order in which the language model reads them.
        patches: the tower's patches, view by view, in the order of `pixel_values`; without class tokens.
        into: the image token that each patch becomes a part of, (patches,), -1 for none.
    """

    tokens: Placed
    patches: Placed
    into: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """How a view is cut.

    Attributes:
        side: in pixels, as the tower takes it.
        patch: side of a patch; what is left over at the right and below is not seen.
        merge: a token is made of `merge` x `merge` patches; what is left over of them is in none.
        before: tokens of each view that come before those of its patches, such as a class token.
    """

    side: int
    patch: int
    merge: int = 1
    before: int = 0

    @property
    def patches(self) -> int:
        """In a row."""
        return self.side // self.patch

    @property
    def tokens(self) -> int:
        """In a row."""
        return self.patches // self.merge


def whole(part: Box, view: View) -> Tiling:
    """The picture, or the part of it that a processor crops, is one view."""
    return in_views((Grid(1, 1, part),), view)


def squared(size: Size, view: View) -> Tiling:
    """A picture in the middle of a square, which is one view, and a token without a place behind it."""
    (width, height), side = size, max(size)
    left, top = (side - width) // 2, (side - height) // 2
    square = Grid(1, 1, (-left, -top, side - left, side - top))
    placed = _view_by_view((square,), view.side, view.patches, view.patch, size=size)
    return Tiling(replace(placed, count=placed.count + 1), placed, tuple(range(placed.count)))


def tiled(size: Size, rows: int, columns: int, view: View) -> Tiling:
    """A picture that is stretched to `rows` x `columns` views, and all of it in one more behind them.

    Where there is one view or none, there is no other than that of the whole picture.
    """
    picture = Grid(1, 1, (0, 0, *size))
    return in_views((Grid(rows, columns, picture.box_xyxy_px), picture) if rows * columns > 1 else (picture,), view)


def panned(size: Size, crops: int, view: View) -> Tiling:
    """The whole picture, then crops along its longer side, each stretched to a view; the last one may be smaller."""
    width, height = size
    across, down = (crops, 1) if width >= height else (1, crops)
    boxes = [(0, 0, width, height)]
    if crops:
        step_x, step_y = ceil(width / across), ceil(height / down)
        boxes += [(x, y, min(x + step_x, width), min(y + step_y, height))
                  for y in range(0, step_y * down, step_y) for x in range(0, step_x * across, step_x)]
    return in_views([Grid(1, 1, box) for box in boxes], view)


def in_views(canvases: Sequence[Grid], view: View) -> Tiling:
    """Views one after another, row by row of each canvas, whose tokens follow one another as the views do.

    Args:
        canvases: in whose place a cell of each grid stands for a view.
    """
    side, per_view = view.tokens, view.before + view.tokens**2
    in_view = [view.before + row // view.merge * side + column // view.merge
               if max(row, column) < side * view.merge else None
               for row in range(view.patches) for column in range(view.patches)]
    views = sum(canvas.rows * canvas.columns for canvas in canvases)
    into = tuple(-1 if place is None else number * per_view + place for number in range(views) for place in in_view)
    return Tiling(_view_by_view(canvases, view.side, side, view.patch * view.merge, view.before),
                  _view_by_view(canvases, view.side, view.patches, view.patch), into)


def in_blocks(size: Size, rows: int, columns: int, merge: int) -> Tiling:
    """A picture that is stretched to `rows` x `columns` patches, in blocks of `merge` x `merge` that make a token each.

    The patches of a block follow one another, and so do the blocks, both row by row.
    """
    box, across = (0, 0, *size), columns // merge
    order = tuple(((row // merge * across + column // merge) * merge + row % merge) * merge + column % merge
                  for row in range(rows) for column in range(columns))
    count = rows * columns // merge**2
    return Tiling(Placed((Grid(rows // merge, across, box),), tuple(range(count)), count),
                  Placed((Grid(rows, columns, box),), order, rows * columns),
                  tuple(number // merge**2 for number in range(rows * columns)))


def anyres(size: Size, resolution: tuple[int, int], view: View, most: int | None = None) -> Tiling:
    """The whole picture in a view, then resized within `resolution` and padded, in views whose tokens are read line by
    line across them, without the padding, a token without a place behind each line.

    Liu et al. 2024, LLaVA-NeXT; with `most`, Li et al. 2024, LLaVA-OneVision: of more tokens than those of `most` views
    fewer are interpolated. Then a patch is said to be in the token that has its middle, though its neighbours have some
    of it too, and tokens lie where they are said to within half of what is left over of a view.

    Args:
        resolution: height and width of the canvas, whole views.
    """
    (width, height), per_row = size, view.patches
    canvas = _padded(size, resolution, view.side)
    rows, columns = canvas.rows * per_row, canvas.columns * per_row
    lines, places = _unpadded(size, rows, columns)
    kept = len(lines), len(places)
    if most is not None and (ratio := sqrt(kept[0] * kept[1] / (most * per_row**2))) > _SHRINKS_FROM:
        kept = int(kept[0] // ratio), int(kept[1] // ratio)
    base = whole((0, 0, width, height), view)
    first, line = base.tokens.count, kept[1] + 1

    if kept == (len(lines), len(places)):
        found = _cells(canvas, view.side, per_row, view.patch, lines, places,
                       lambda row, column: first + (row - lines.start) * line + column - places.start)
    else:
        left, top, right, bottom = (_start(end, view) for end in (places.start, lines.start, places.stop, lines.stop))
        found = [(Grid(*kept, _on_picture(canvas, view.side, (left, top, right, bottom))),
                  [first + row * line + column for row in range(kept[0]) for column in range(kept[1])])]
    tokens = _joined([*zip(base.tokens.grids, [base.tokens.order], strict=True), *found], first + kept[0] * line)

    across = [_shrunk(column, places, kept[1]) for column in range(columns)]
    down = [_shrunk(row, lines, kept[0]) for row in range(rows)]
    into = list(base.into)
    for number in range(canvas.rows * canvas.columns):
        above, before = (place * per_row for place in divmod(number, canvas.columns))
        into += [-1 if row is None or column is None else first + row * line + column
                 for row in down[above:above + per_row] for column in across[before:before + per_row]]
    patches = _view_by_view((Grid(1, 1, (0, 0, width, height)), canvas), view.side, per_row, view.patch, size=size)
    return Tiling(tokens, patches, tuple(into))


def _padded(size: Size, resolution: tuple[int, int], side: int) -> Grid:
    """The canvas around a picture that is as large as fits, in the middle of it."""
    (width, height), (canvas_height, canvas_width) = size, resolution
    across, down = canvas_width / width, canvas_height / height
    new_width, new_height = ((canvas_width, min(ceil(height * across), canvas_height)) if across < down else
                             (min(ceil(width * down), canvas_width), canvas_height))
    left, top = (canvas_width - new_width) // 2, (canvas_height - new_height) // 2
    return Grid(canvas_height // side, canvas_width // side, (
        -left * width / new_width, -top * height / new_height,
        (canvas_width - left) * width / new_width, (canvas_height - top) * height / new_height))


def _unpadded(size: Size, rows: int, columns: int) -> tuple[range, range]:
    """The rows and columns of patches that are no padding, rounded as the models do."""
    width, height = size
    if width / height > columns / rows:
        padding = (rows - int(round(height * (columns / width), 7))) // 2
        return range(padding, rows - padding), range(columns)
    padding = (columns - int(round(width * (rows / height), 7))) // 2
    return range(rows), range(padding, columns - padding)


def _shrunk(cell: int, shown: range, count: int) -> int | None:
    """Which of `count` cells has the middle of this one, if it is shown."""
    return int((cell - shown.start + 0.5) * count / len(shown)) if cell in shown else None


def _start(patch: int, view: View) -> float:
    """Where on the canvas a patch begins, to within half of what is left over of a view: as if all were equally far
    apart."""
    return patch * view.side / view.patches - (view.side - view.patches * view.patch) / 2


Found = tuple[Grid, Sequence[int]]
"""A grid, and the number of what each of its cells is."""


def _view_by_view(canvases: Sequence[Grid], side: int, cells: int, step: int, before: int = 0,
                  size: Size | None = None) -> Placed:
    """The cells of all views, `cells` x `cells` of `step` pixels in each; of a given size, those that lie on it."""
    found, start, per_view = [], 0, before + cells**2
    for canvas in canvases:
        rows, columns = range(canvas.rows * cells), range(canvas.columns * cells)
        if size is not None:
            left, top, right, bottom = canvas.box_xyxy_px
            columns = _on_it(columns, side, cells, step, size[0], left, (right - left) / (canvas.columns * side))
            rows = _on_it(rows, side, cells, step, size[1], top, (bottom - top) / (canvas.rows * side))

        def number(row: int, column: int, start: int = start, across: int = canvas.columns) -> int:
            view = row // cells * across + column // cells
            return start + view * per_view + before + row % cells * cells + column % cells

        found += _cells(canvas, side, cells, step, rows, columns, number)
        start += canvas.rows * canvas.columns * per_view
    return _joined(found, start)


def _on_it(places: range, side: int, cells: int, step: int, length: int, start: float, pixel: float) -> range:
    """Those of the cells along a side that lie on the picture at least a little."""
    def begins(place: int) -> float:
        return start + pixel * (place // cells * side + place % cells * step)

    shown = [place for place in places
             if begins(place) < length - _SLIGHT and begins(place) + pixel * step > _SLIGHT]
    return range(shown[0], shown[-1] + 1)


def _cells(canvas: Grid, side: int, cells: int, step: int, rows: range, columns: range,
           number: Callable[[int, int], int]) -> list[Found]:
    """Some rows and columns of a canvas: one grid, or several where something is left over between views."""
    return [(Grid(len(down), len(across), _on_picture(canvas, side, (left, top, right, bottom))),
             [number(row, column) for row in down for column in across])
            for down, top, bottom in _runs(rows, side, cells, step)
            for across, left, right in _runs(columns, side, cells, step)]


def _runs(places: range, side: int, cells: int, step: int) -> list[tuple[range, int, int]]:
    """Cells that lie side by side, with where on the canvas they begin and end."""
    ends = [] if cells * step == side else range(cells * (places.start // cells + 1), places.stop, cells)
    return [(range(first, stop), first // cells * side + first % cells * step,
             (stop - 1) // cells * side + ((stop - 1) % cells + 1) * step)
            for first, stop in pairwise([places.start, *ends, places.stop]) if first < stop]


def _on_picture(canvas: Grid, side: int, box: Box) -> Box:
    """A part of a canvas, in the picture's pixels."""
    first_x, first_y, last_x, last_y = canvas.box_xyxy_px
    left, right = (first_x + (last_x - first_x) * x / (canvas.columns * side) for x in box[::2])
    top, bottom = (first_y + (last_y - first_y) * y / (canvas.rows * side) for y in box[1::2])
    return left, top, right, bottom


def _joined(found: Sequence[Found], count: int) -> Placed:
    return Placed(tuple(grid for grid, _ in found), tuple(number for _, numbers in found for number in numbers), count)
