"""Blocks of a drawn sheet as matplotlib's offset boxes: text, words on their colours, pictures, legends, in columns.

Lengths are pixels of a sheet at 72 dots an inch, so that a point is a pixel. All blocks know how wide they are.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from mmx.show.colors import GREY, INK, PALE, RGB, WHITE, legend, text_color_on, unit
from mmx.show.flow import Word, broken_into_lines, directions, placed_line, reads_from_the_right, words_in
from mmx.show.lettering import Style, text_width, written
from mmx.show.panels import Scale, Text
from mmx.show.text import is_right_to_left
from mmx.show.wording import number

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.offsetbox import DrawingArea, OffsetBox
    from matplotlib.patches import FancyBboxPatch, Rectangle

Bounds = tuple[float, float, float, float]
"""x, y (upwards), width and height."""

GUTTER = 36


def space(width: int, height: int) -> "DrawingArea":
    """An empty block."""
    from matplotlib.offsetbox import DrawingArea

    return DrawingArea(width, height)


def column(blocks: "Iterable[tuple[int, OffsetBox]]") -> "OffsetBox":
    """Blocks from top to bottom, left-aligned; each comes with the gap above it."""
    from mmx.show.artists import Column

    children: list[Artist] = [child for gap, block in blocks for child in (*([space(1, gap)] if gap else []), block)]
    return Column(pad=0, sep=0, align="left", children=children)


def row(blocks: "Sequence[OffsetBox]", gutter: int = GUTTER, align: Literal["top", "bottom"] = "top") -> "OffsetBox":
    """Blocks from left to right."""
    from mmx.show.artists import Row

    return Row(pad=0, sep=gutter, align=align, children=[*blocks])


def under_headings(headings: "Sequence[OffsetBox]", bodies: "Sequence[OffsetBox]", columns: int) -> "OffsetBox":
    """A grid whose bodies stand at one height in each row, however many lines their headings have."""
    rows = []
    for start in range(0, len(headings), columns):
        these = slice(start, start + columns)
        rows.append((GUTTER if start else 0, row(headings[these], align="bottom")))
        rows.append((8, row(bodies[these])))
    return column(rows)


def paragraph(text: str, style: Style, width: int) -> "DrawingArea":
    """A block of text, `width` wide and as high as it takes."""
    words = words_in(text)
    lines = broken_into_lines(words, style, width)
    from_right = reads_from_the_right(words)
    block = space(width, len(lines) * style.line_height)
    for place, line in enumerate(lines):
        told = _in_order(line, from_right)
        x = max(0, width - text_width(told, style)) if from_right else 0
        baseline = block.height - place * style.line_height - style.ascent
        block.add_artist(written(x, baseline, told, style))
    return block


def paragraphs(texts: Iterable[str], style: Style, width: int) -> "OffsetBox":
    """Blocks of text, one beneath the other."""
    return column((0, paragraph(text, style, width)) for text in texts)


def shaded_words(text: Text, style: Style, width: int) -> "DrawingArea":
    """A block of words, each on its colour, `width` wide and as high as it takes."""
    padding, from_right = style.size // 7, reads_from_the_right(text.words)
    fills = [text.shades.colors.on_white(strength) for strength in text.shades.strengths.tolist()]
    numbered = [Word(word.text, word.spaced, place) for place, word in enumerate(text.words)]
    lines, pitch = broken_into_lines(numbered, style, width, padding), round(1.6 * style.size)
    block = space(width, len(lines) * pitch)
    for number_, line in enumerate(lines):
        top = block.height - number_ * pitch
        for placed in placed_line(line, style, width, padding, from_right):
            place = int(placed.word.score)
            fill, edge = fills[place], INK if place in text.explained else None
            if fill != WHITE or edge:
                bottom = top - round(1.45 * style.size)
                bounds = (placed.x, bottom, placed.width - 1, top - 1 - bottom)
                block.add_artist(rounded(bounds, style.size / 6, fill, edge))
            ink = Style(style.size, style.bold, text_color_on(fill))
            block.add_artist(written(placed.x + padding, top - round(1.06 * style.size), placed.word.text, ink))
    return block


def titled(text: str, color: RGB | None, style: Style, width: int) -> "OffsetBox":
    """A heading, behind a chip where it has a color."""
    if color is None:
        return paragraph(text, style, width)
    side, gap = round(0.8 * style.size), style.size // 2
    words = paragraph(text, style, width - side - gap)
    chip = space(side, int(words.height))
    chip.add_artist(rounded((0, words.height - round(0.32 * style.size) - side, side, side), side / 4, color))
    return row([chip, words], gap)


def picture(pixels: np.ndarray, width: int, height: int) -> "DrawingArea":
    """A picture (rows, columns, 3) at this size."""
    block = space(width, height)
    place_picture(block, pixels, (0, 0, width, height))
    return block


def place_picture(block: "DrawingArea", pixels: np.ndarray, bounds: Bounds) -> None:
    """Puts it into a block."""
    from matplotlib.transforms import Bbox, TransformedBbox

    from mmx.show.artists import Pixels

    block.add_artist(Pixels(pixels, TransformedBbox(Bbox.from_bounds(*bounds), block.get_transform())))


def on_matte(block: "DrawingArea", width: int) -> "OffsetBox":
    """A block that is narrower than its place is centred on a pale ground."""
    left = (width - int(block.width)) // 2
    right = width - int(block.width) - left
    sides = [filled(side, int(block.height), PALE) if side else None for side in (left, right)]
    return row([side for side in (sides[0], block, sides[1]) if side is not None], 0)


def filled(width: int, height: int, color: RGB) -> "DrawingArea":
    """A block of one colour."""
    from matplotlib.patches import Rectangle

    block = space(width, height)
    block.add_artist(Rectangle((0, 0), width, height, color=unit(color), linewidth=0))
    return block


def scale_bar(scale: Scale, style: Style, width: int) -> "DrawingArea":
    """The colours in use, through the same blend, with the raw scores at their ends; a sentence if there are none."""
    low, high = map(number, scale.shades.ends)
    bar, gap = min(11 * style.size, width // 3), style.size // 2
    label_px, low_px, high_px = (text_width(text, style) for text in (scale.label, low, high))
    if scale.without or label_px + bar + low_px + high_px + 4 * gap > width:
        return paragraph(f"{scale.label}: {scale.without or f'{low} to {high}'}", style, width)
    block = space(width, style.line_height)
    baseline, height = style.line_height - style.ascent, round(0.95 * style.size)
    x = label_px + 2 * gap + low_px + gap
    for start, text in ((0, scale.label), (label_px + 2 * gap, low), (x + bar + gap, high)):
        block.add_artist(written(start, baseline, text, style))
    place_picture(block, legend(scale.shades.colors, bar, height), (x, baseline - 1, bar, height))
    block.add_artist(framed((x, baseline - 1, bar, height), GREY, 1))
    return block


def rounded(bounds: Bounds, radius: float, fill: RGB, edge: RGB | None = None) -> "FancyBboxPatch":
    """A box with round corners; its edge is one pixel inside."""
    from matplotlib.patches import FancyBboxPatch

    x, y, width, height = bounds
    inset = 0.5 if edge else 0
    return FancyBboxPatch(
        (x + inset, y + inset), max(width - 2 * inset, 0.1), max(height - 2 * inset, 0.1),
        boxstyle=f"round,pad=0,rounding_size={radius}", facecolor=unit(fill),
        edgecolor="none" if edge is None else unit(edge), linewidth=1 if edge else 0)


def framed(bounds: Bounds, color: RGB, width: float, alpha: float = 1) -> "Rectangle":
    """A frame inside the edges of a box."""
    from matplotlib.patches import Rectangle

    x, y, across, up = bounds
    if 2 * width >= min(across, up):  # nothing lies inside; and a frame of no size would not be drawn
        return Rectangle((x, y), across, up, facecolor=unit(color), linewidth=0, alpha=alpha, snap=False)
    return Rectangle((x + width / 2, y + width / 2), across - width, up - width, fill=False, edgecolor=unit(color),
                     linewidth=width, alpha=alpha, joinstyle="miter", snap=False)


def _in_order(line: Sequence[Word], from_right: bool) -> str:
    """One line; invisible marks hold it, and what has no direction of its own, to the direction of its paragraph."""
    if not any(is_right_to_left(word.text) for word in line) and not from_right:
        return "".join(" " * (word.spaced and place > 0) + word.text for place, word in enumerate(line))
    told = mark = "\u200f" if from_right else "\u200e"
    found = directions(line, from_right)
    for place, (word, direction) in enumerate(zip(line, found, strict=True)):
        turns_back = place > 0 and found[place - 1] != direction == from_right
        told += " " * (word.spaced and place > 0) + mark * turns_back + word.text
        told += "\u200e" * (from_right and not direction)  # so that a number keeps its sign
    return told
