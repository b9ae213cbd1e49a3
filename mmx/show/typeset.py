"""Lettering in any script. What no font has becomes a small box with its code point, never an empty square."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont, features

from mmx.show.canvas import rounded_box
from mmx.show.colors import GREY, INK, PALE, RGB
from mmx.show.typefaces import font_with, has_character

_NO_BREAK_SPACES = "\u00a0\u202f"
_NON_JOINER = "\u200c"


@dataclass(frozen=True)
class Style:
    """How text looks; `size` is in pixels."""

    size: int
    bold: bool = False
    color: RGB = INK

    @property
    def line_height(self) -> int:
        return round(1.4 * self.size)

    @property
    def ascent(self) -> int:
        """From the top of a line to its baseline."""
        return round(1.05 * self.size)


def clean(text: str) -> str:
    """One line of visible text: control characters and runs of white space become single spaces."""
    visible = "".join(_visible(char) for char in text)
    return " ".join(word for word in visible.split(" ") if word)


def text_width(text: str, style: Style) -> int:
    """Width in pixels of one line."""
    return round(sum(_run_width(font, run, style) for font, run in _runs(text, style)))


def draw_text(canvas: Image.Image, x: float, baseline: int, text: str, style: Style) -> None:
    """Draws one line from `x` on."""
    for font, run in _runs(text, style):
        if font is None:
            _draw_code_point(canvas, round(x), baseline, run, style)
        else:
            ImageDraw.Draw(canvas).text((x, baseline), _in_drawing_order(run), style.color, font, anchor="ls")
        x += _run_width(font, run, style)


def is_right_to_left(text: str) -> bool | None:
    """Direction of the first letter that has one; None if there is none."""
    strong = (unicodedata.bidirectional(char) for char in text)
    return next((kind in ("R", "AL") for kind in strong if kind in ("L", "R", "AL")), None)


def has_digits(text: str) -> bool:
    """Whether it holds digits as European languages write them."""
    return any(unicodedata.bidirectional(char) == "EN" for char in text)


def _visible(char: str) -> str:
    if char in _NO_BREAK_SPACES or char == _NON_JOINER:
        return char
    kind = unicodedata.category(char)
    if kind == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    return " " if char.isspace() or kind == "Cc" else char


def _runs(text: str, style: Style) -> list[tuple[ImageFont.FreeTypeFont | None, str]]:
    runs: list[tuple[ImageFont.FreeTypeFont | None, str]] = []
    for char in text:
        font = font_with(char, style.size, style.bold)
        if runs and runs[-1][0] is not None and _joins(char) and has_character(runs[-1][0].path, char):
            font = runs[-1][0]
        if runs and font is not None and runs[-1][0] is font:
            runs[-1] = (font, runs[-1][1] + char)
        else:
            runs.append((font, char))
    return runs


def _joins(char: str) -> bool:
    return unicodedata.category(char) == "Mn" or char == _NON_JOINER


def _run_width(font: ImageFont.FreeTypeFont | None, run: str, style: Style) -> float:
    if font is not None:
        return font.getlength(run)
    label = _code_point_style(style)
    return text_width(_code_point(run), label) + label.size


def _draw_code_point(canvas: Image.Image, x: int, baseline: int, char: str, style: Style) -> None:
    label = _code_point_style(style)
    right = x + round(_run_width(None, char, style))
    pad = label.size // 2
    top, bottom = baseline - round(0.85 * style.size), baseline + round(0.12 * style.size)
    rounded_box(canvas, (x + 1, top, right - 1, bottom), max(2, style.size // 7), PALE, GREY)
    middle = (top + bottom) // 2 + round(0.36 * label.size)
    draw_text(canvas, x + pad, middle, _code_point(char), label)


def _code_point(char: str) -> str:
    return f"U+{ord(char):04X}"


def _code_point_style(style: Style) -> Style:
    return Style(max(8, round(0.5 * style.size)), color=INK)


def _in_drawing_order(run: str) -> str:
    return run if _shapes_scripts() or not is_right_to_left(run) else run[::-1]


@lru_cache
def _shapes_scripts() -> bool:
    return bool(features.check("raqm"))
