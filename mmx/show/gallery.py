"""Pictures in rows, with the true masks of their objects beside the masks that each method found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from mmx.show.blocks import column, filled, on_matte, paragraph, picture, rounded, row, space
from mmx.show.colors import DISTINCT, GREY, RGB, RULE, WHITE
from mmx.show.lettering import Style, text_width, written
from mmx.show.plotting import plot_of, to_image
from mmx.show.style import own_style

if TYPE_CHECKING:
    from matplotlib.offsetbox import DrawingArea, OffsetBox

_MARGIN = 40
_GUTTER = 14
_CELLS = ((3, 380), (5, 300), (10**6, 240))
"""Up to how many columns are how wide."""
_CHIP, _GAP = 12, 18
_TITLE = Style(26, bold=True)
_COLUMN = Style(15, bold=True)
_NAME = Style(15, color=GREY)
_PALER = 0.7  # of the way to white, where no mask lies
_RIM = 9  # pixels across, of a mask's edge: half of it is white
_NAMED = {"blue": 0, "orange": 1, "green": 2, "purple": 3, "pink": 3, "cyan": 4, "red": 5, "yellow": 6, "black": 7}
"""A class that is called by a colour has that colour, by its place in DISTINCT."""


@dataclass(frozen=True)
class Masks:
    """Masks (n, height, width) of bool, and of what class each is."""

    masks: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class GalleryRow:
    """One picture: its truth, and what each method found: masks, or the picture as it is to be shown, of its size."""

    image: Image.Image
    name: str
    columns: tuple[Masks | Image.Image, ...]

    @property
    def labels(self) -> list[str]:
        """Of all masks."""
        return [label for found in self.columns if isinstance(found, Masks) for label in found.labels]


def gallery(title: str, columns: Sequence[str], rows: Sequence[GalleryRow], caption: str) -> Image.Image:
    """A row for each picture and a column for the truth and each method; one colour is one class in a row."""
    with own_style():
        return to_image(plot_of(_sheet(title, columns, rows, caption), _MARGIN))


def _sheet(title: str, columns: Sequence[str], rows: Sequence[GalleryRow], caption: str) -> "OffsetBox":
    cell = next(side for most, side in _CELLS if len(columns) <= most)
    width = len(columns) * (cell + _GUTTER) - _GUTTER
    blocks: list[tuple[int, OffsetBox]] = [(0, paragraph(title, _TITLE, width))]
    blocks += [(18, row([paragraph(name, _COLUMN, cell) for name in columns], _GUTTER, align="bottom"))]
    for one in rows:
        blocks += [(10, _pictures(one, cell)), (6, _key(one, width)), (12, filled(width, 1, RULE))]
    return column([*blocks, (14, paragraph(caption, _NAME, width))])


def colors_of(labels: Sequence[str]) -> dict[str, RGB]:
    """By class: its own colour where its name tells one, else the next that is free; more classes than colours share.
    """
    names, own = dict.fromkeys(labels), dict[str, RGB]()
    for name in names:
        color = next((DISTINCT[_NAMED[word]] for word in name.lower().split() if word in _NAMED), None)
        if color is not None and color not in own.values():
            own[name] = color
    free = [color for color in DISTINCT if color not in own.values()] or [*DISTINCT]
    others = [name for name in names if name not in own]
    return {name: own[name] if name in own else free[others.index(name) % len(free)] for name in names}


def _pictures(one: GalleryRow, cell: int) -> "OffsetBox":
    """The picture once for each column, centred on a matte."""
    scale = cell / max(one.image.size)
    small, *others = (image.convert("RGB").resize([max(1, round(side * scale)) for side in one.image.size],
                                                  Image.Resampling.LANCZOS)
                      for image in (one.image, *(found for found in one.columns if not isinstance(found, Masks))))
    colors, ready = colors_of(one.labels), iter(others)
    painted = [picture(np.asarray(_painted(small, found, colors) if isinstance(found, Masks) else next(ready)),
                       *small.size) for found in one.columns]
    return row([on_matte(block, cell) for block in painted], _GUTTER)


def _painted(picture: Image.Image, found: Masks, colors: dict[str, RGB]) -> Image.Image:
    """The picture, pale but for the masks, which keep its own colours and are edged; small ones lie on top."""
    painted = Image.blend(picture, Image.new("RGB", picture.size, WHITE), _PALER)
    for index in sorted(range(len(found.masks)), key=lambda number: -int(found.masks[number].sum())):
        mask = Image.fromarray(found.masks[index].astype(np.uint8) * 255).resize(picture.size, Image.Resampling.BOX)
        painted.paste(picture, (0, 0), mask)
        painted.paste(colors[found.labels[index]], (0, 0), _edge(mask, _RIM // 2 + 1))
        painted.paste(WHITE, (0, 0), ImageChops.subtract(_edge(mask, _RIM), _edge(mask, _RIM // 2 + 1)))
    return painted


def _edge(mask: Image.Image, across: int) -> Image.Image:
    return ImageChops.subtract(mask, mask.filter(ImageFilter.MinFilter(across)))


def _key(one: GalleryRow, width: int) -> "DrawingArea":
    """The picture's name and the colour of each class, on as many lines as it takes."""
    x, y, places = text_width(one.name, _NAME) + _GAP, 0, []
    for label, color in colors_of(one.labels).items():
        wide = _CHIP + 6 + text_width(label, _NAME) + _GAP
        if x and x + wide - _GAP > width:
            x, y = 0, y + _NAME.line_height
        places.append((x, y, label, color))
        x += wide
    block = space(width, y + _NAME.line_height)
    block.add_artist(written(0, block.height - _NAME.ascent, one.name, _NAME))
    for x, y, label, color in places:
        block.add_artist(rounded((x, block.height - y - 5 - _CHIP, _CHIP, _CHIP), 3, color))
        block.add_artist(written(x + _CHIP + 6, block.height - y - _NAME.ascent, label, _NAME))
    return block
