"""What a reader needs beside the picture: the colour scale with its end values, numbers in words."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.render.canvas import blank, rounded_box
from mmx.render.colors import GREY, Shades
from mmx.render.flow import paragraph
from mmx.render.tags import ranked
from mmx.render.typeset import Style, draw_text, text_width
from mmx.types import Region

_MINUS = "\u2212"
_NO_BREAK = "\u00a0"


def number(value: float) -> str:
    """A number in two significant digits.

    >>> number(0.04149), number(1234.0), number(0.0)
    ('0.041', '1200', '0')
    """
    return f"{float(f'{value:.2g}'):g}".replace("-", _MINUS)


def percent(probability: float) -> str:
    """A share in whole percent, never rounded to impossible or certain."""
    if 0 < probability <= 0.005:
        return f"<{_NO_BREAK}1{_NO_BREAK}%"
    if 0.995 <= probability < 1:
        return f">{_NO_BREAK}99{_NO_BREAK}%"
    return f"{100 * probability:.0f}{_NO_BREAK}%"


def scale_bar(shades: Shades, label: str, style: Style, width: int) -> Image.Image:
    """The colours in use with the raw scores at their ends; a sentence if every score is zero."""
    if not shades.largest:
        return paragraph(f"{label}: all zero" if shades.strengths.size else f"{label}: none", style, width)
    low, high = number(min(shades.colormap.low, 0) * shades.largest), number(shades.largest)
    bar = min(11 * style.size, width // 3)
    parts_px = [text_width(text, style) for text in (label, low, high)]
    gap = style.size // 2
    if parts_px[0] + bar + parts_px[1] + parts_px[2] + 4 * gap > width:
        return paragraph(f"{label}: {low} to {high}", style, width)
    canvas = blank(width, style.line_height)
    draw_text(canvas, 0, style.ascent, label, style)
    x = parts_px[0] + 2 * gap
    draw_text(canvas, x, style.ascent, low, style)
    x += parts_px[1] + gap
    canvas.paste(_gradient(shades, bar, round(0.85 * style.size)), (x, round(0.3 * style.size)))
    draw_text(canvas, x + bar + gap, style.ascent, high, style)
    return canvas


def ranking(regions: Sequence[Region], scores: np.ndarray) -> str:
    """The most relevant regions in words, with their raw scores."""
    strongest = enumerate(ranked(scores), start=1)
    names = ((f"{rank} {regions[index].label or ''}".strip(), scores[index]) for rank, index in strongest)
    return ", ".join(f"{name}{_NO_BREAK}({number(float(score))})" for name, score in names)


def _gradient(shades: Shades, width: int, height: int) -> Image.Image:
    strengths = np.linspace(shades.colormap.low, 1, width - 2)
    colors = Image.fromarray(np.tile(shades.colormap(strengths), (height - 2, 1, 1)))
    framed = blank(width, height)
    rounded_box(framed, (0, 0, width, height), height // 4, GREY)
    framed.paste(colors, (1, 1))
    return framed
