"""The few drawing steps that every part of a figure shares."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from mmx.show.colors import RGB, WHITE

Box = tuple[int, int, int, int]

_SUPERSAMPLING = 4


def blank(width: int, height: int, color: RGB = WHITE) -> Image.Image:
    """An empty canvas, at least one pixel large."""
    return Image.new("RGB", (max(1, width), max(1, height)), color)


def rounded_box(canvas: Image.Image, box: Box, radius: int, fill: RGB, outline: RGB | None = None) -> None:
    """Paints an anti-aliased rounded rectangle; right and bottom are exclusive, the outline is one pixel inside."""
    left, top, right, bottom = box
    if outline:
        rounded_box(canvas, box, radius, outline)
        left, top, right, bottom, radius = left + 1, top + 1, right - 1, bottom - 1, radius - 1
    width, height = max(1, right - left), max(1, bottom - top)
    mask = Image.new("L", (width * _SUPERSAMPLING, height * _SUPERSAMPLING))
    corner = (mask.width - 1, mask.height - 1)
    ImageDraw.Draw(mask).rounded_rectangle(((0, 0), corner), radius * _SUPERSAMPLING, fill=255)
    canvas.paste(fill, (left, top), mask.resize((width, height), Image.Resampling.BOX))


def stacked(blocks: Sequence[tuple[int, Image.Image]], margin: int) -> Image.Image:
    """Blocks from top to bottom, left-aligned inside a margin; each comes with the gap above it."""
    width = max(block.width for _, block in blocks)
    canvas = blank(width + 2 * margin, sum(gap + block.height for gap, block in blocks) + 2 * margin)
    y = margin
    for gap, block in blocks:
        canvas.paste(block, (margin, y + gap))
        y += gap + block.height
    return canvas
