"""Blocks of a drawn figure beside and beneath each other, and the colour scale with its end values."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.show.canvas import blank, rounded_box, stacked
from mmx.show.colors import GREY, PALE, RGB, Shades
from mmx.show.flow import paragraph
from mmx.show.panels import Scale
from mmx.show.typeset import Style, draw_text, text_width
from mmx.show.wording import number

GUTTER = 36


def on_matte(picture: Image.Image, width: int) -> Image.Image:
    """A picture that is narrower than its place is centred on a pale ground."""
    if picture.width >= width:
        return picture
    matte = blank(width, picture.height, PALE)
    matte.paste(picture, ((width - picture.width) // 2, 0))
    return matte


def titled(text: str, color: RGB | None, style: Style, width: int) -> Image.Image:
    """A heading, behind a chip where it has a color."""
    if color is None:
        return paragraph(text, style, width)
    chip = round(0.8 * style.size)
    words = paragraph(text, style, width - chip - style.size // 2)
    canvas = blank(width, words.height)
    top = round(0.32 * style.size)
    rounded_box(canvas, (0, top, chip, top + chip), chip // 4, color)
    canvas.paste(words, (chip + style.size // 2, 0))
    return canvas


def grid_of_cells(cells: Sequence[Image.Image], columns: int) -> Image.Image:
    """Cells of one width, row by row; a row is as high as its highest cell."""
    rows = [cells[start:start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    pitch = cells[0].width + GUTTER
    canvas = blank(columns * pitch - GUTTER, sum(heights) + GUTTER * (len(rows) - 1))
    y = 0
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            canvas.paste(cell, (column * pitch, y))
        y += height + GUTTER
    return canvas


def under_headings(headings: Sequence[Image.Image], bodies: Sequence[Image.Image], columns: int) -> Image.Image:
    """A grid whose bodies stand at one height in each row, however many lines their headings have."""
    cells = []
    for start in range(0, len(headings), columns):
        row = slice(start, start + columns)
        height = max(heading.height for heading in headings[row])
        cells += [stacked([(0, heading), (8 + height - heading.height, body)], 0)
                  for heading, body in zip(headings[row], bodies[row], strict=True)]
    return grid_of_cells(cells, columns)


def scale_bar(scale: Scale, style: Style, width: int) -> Image.Image:
    """The colours in use with the raw scores at their ends; a sentence if every score is zero."""
    shades, label = scale.shades, scale.label
    if not shades.largest:
        return paragraph(f"{label}: {'all zero' if shades.strengths.size else 'none'}", style, width)
    low, high = ends(shades)
    bar = min(11 * style.size, width // 3)
    label_px, low_px, high_px = (text_width(text, style) for text in (label, low, high))
    gap = style.size // 2
    if label_px + bar + low_px + high_px + 4 * gap > width:
        return paragraph(f"{label}: {low} to {high}", style, width)
    canvas = blank(width, style.line_height)
    draw_text(canvas, 0, style.ascent, label, style)
    x = label_px + 2 * gap
    draw_text(canvas, x, style.ascent, low, style)
    x += low_px + gap
    canvas.paste(_gradient(shades, bar, round(0.85 * style.size)), (x, round(0.3 * style.size)))
    draw_text(canvas, x + bar + gap, style.ascent, high, style)
    return canvas


def ends(shades: Shades) -> tuple[str, str]:
    """The raw scores at the ends of the colours."""
    return number(min(shades.colormap.low, 0) * shades.largest), number(shades.largest)


def _gradient(shades: Shades, width: int, height: int) -> Image.Image:
    strengths = np.linspace(shades.colormap.low, 1, width - 2)
    colors = Image.fromarray(np.tile(shades.colormap(strengths), (height - 2, 1, 1)))
    framed = blank(width, height)
    rounded_box(framed, (0, 0, width, height), height // 4, GREY)
    framed.paste(colors, (1, 1))
    return framed
