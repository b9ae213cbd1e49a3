"""Pictures in rows, with the true masks of their objects beside the masks that each method found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from mmx.show.canvas import blank, rounded_box, stacked
from mmx.show.colors import GREY, PALE, RGB, RULE, WHITE
from mmx.show.flow import paragraph
from mmx.show.typeset import Style, draw_text, text_width

_MARGIN = 40
_GUTTER = 14
_CELLS = ((3, 380), (5, 300), (10**6, 240))
"""Up to how many columns are how wide."""
_CHIP, _GAP = 12, 18
_TITLE = Style(26, bold=True)
_COLUMN = Style(15, bold=True)
_NAME = Style(15, color=GREY)
_COLORS: tuple[RGB, ...] = ((214, 39, 40), (31, 119, 180), (44, 160, 44), (148, 103, 189), (255, 127, 14),
                            (23, 190, 207), (227, 119, 194), (140, 86, 75), (188, 189, 34), (64, 64, 64))
_PALER = 0.55  # of the way to white, where no mask lies
_TINT = 0.45
_RIM = 5  # pixels across, of a mask's edge


@dataclass(frozen=True)
class Masks:
    """Masks (n, height, width) of bool, and of what class each is."""

    masks: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class GalleryRow:
    """One picture: its truth, and what each method found."""

    image: Image.Image
    name: str
    columns: tuple[Masks, ...]


def gallery(title: str, columns: Sequence[str], rows: Sequence[GalleryRow], caption: str) -> Image.Image:
    """A row for each picture and a column for the truth and each method; one colour is one class in a row."""
    cell = next(side for most, side in _CELLS if len(columns) <= most)
    width = len(columns) * (cell + _GUTTER) - _GUTTER
    blocks = [(0, paragraph(title, _TITLE, width))]
    blocks += [(18, _side_by_side([paragraph(name, _COLUMN, cell) for name in columns], cell))]
    for row in rows:
        blocks += [(10, _pictures(row, cell)), (6, _key(row, width)), (12, blank(width, 1, RULE))]
    return stacked([*blocks, (14, paragraph(caption, _NAME, width))], _MARGIN)


def _pictures(row: GalleryRow, cell: int) -> Image.Image:
    """The picture once for each column, centred on a matte."""
    scale = cell / max(row.image.size)
    small = row.image.resize([max(1, round(side * scale)) for side in row.image.size], Image.Resampling.LANCZOS)
    mattes = []
    for column in row.columns:
        mattes.append(blank(cell, small.height, PALE))
        mattes[-1].paste(_painted(small, column, _colors(row)), ((cell - small.width) // 2, 0))
    return _side_by_side(mattes, cell)


def _side_by_side(blocks: Sequence[Image.Image], cell: int) -> Image.Image:
    canvas = blank(len(blocks) * (cell + _GUTTER) - _GUTTER, max(block.height for block in blocks))
    for place, block in enumerate(blocks):
        canvas.paste(block, (place * (cell + _GUTTER), canvas.height - block.height))
    return canvas


def _painted(picture: Image.Image, found: Masks, colors: dict[str, RGB]) -> Image.Image:
    """The picture, pale but for the masks, which are tinted and edged; small ones lie on top."""
    painted = Image.blend(picture, blank(*picture.size, WHITE), _PALER)
    for index in sorted(range(len(found.masks)), key=lambda number: -int(found.masks[number].sum())):
        color = colors[found.labels[index]]
        mask = Image.fromarray(found.masks[index].astype(np.uint8) * 255).resize(picture.size, Image.Resampling.BOX)
        painted.paste(Image.blend(picture, blank(*picture.size, color), _TINT), (0, 0), mask)
        painted.paste(color, (0, 0), ImageChops.subtract(mask, mask.filter(ImageFilter.MinFilter(_RIM))))
    return painted


def _colors(row: GalleryRow) -> dict[str, RGB]:
    """By class, in order of first appearance; more classes than colours share them."""
    names = dict.fromkeys(label for column in row.columns for label in column.labels)
    return {name: _COLORS[place % len(_COLORS)] for place, name in enumerate(names)}


def _key(row: GalleryRow, width: int) -> Image.Image:
    """The picture's name and the colour of each class, on as many lines as it takes."""
    x, places = text_width(row.name, _NAME) + _GAP, []
    y = 0
    for label, color in _colors(row).items():
        wide = _CHIP + 6 + text_width(label, _NAME) + _GAP
        if x and x + wide - _GAP > width:
            x, y = 0, y + _NAME.line_height
        places.append((x, y, label, color))
        x += wide
    canvas = blank(width, y + _NAME.line_height)
    draw_text(canvas, 0, _NAME.ascent, row.name, _NAME)
    for x, y, label, color in places:
        rounded_box(canvas, (x, y + 5, x + _CHIP, y + 5 + _CHIP), 3, color)
        draw_text(canvas, x + _CHIP + 6, y + _NAME.ascent, label, _NAME)
    return canvas
