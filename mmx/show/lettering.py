"""Letters by matplotlib, which shapes every script: how they look, how wide they are, and what no font has."""

import logging
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any

from mmx.show.colors import INK, RGB, unit
from mmx.show.text import clean

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

DPI = 72  # a point is a pixel
_OWN = "DejaVu Sans"  # matplotlib brings it along
_NO_FONT = "Last Resort High-Efficiency"  # so is this: a box with a letter of the script
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH")


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


@lru_cache(maxsize=4096)
def text_width(text: str, style: Style) -> int:
    """Width in pixels of one line."""
    return ceil(_renderer().get_text_width_height_descent(text, _properties(text, style), False)[0])


def written(x: float, baseline: float, text: str, style: Style) -> "Text":
    """One line from `x` on, both in pixels, upwards."""
    from mmx.show.artists import Line

    return Line(x, baseline, text, color=unit(style.color), fontproperties=_properties(text, style),
                verticalalignment="baseline", parse_math=False)


def without_a_font(texts: Iterable[str]) -> list[str]:
    """A line for each script of which no font on this machine has a letter, with what to install."""
    missing = sorted({char for text in texts for char in clean(text) if not char.isspace() and _family(char) is None})
    scripts: dict[str, str] = {}
    for char in missing:
        scripts[_script(char)] = scripts.get(_script(char), "") + char
    return [_said(script, chars) for script, chars in scripts.items()]


def _said(script: str, chars: str) -> str:
    if script == _EAST_ASIAN[0]:
        return _to_install("Chinese, Japanese or Korean", "Noto Sans CJK", "fonts-noto-cjk")
    if script:
        return _to_install(script.capitalize(), "the Noto fonts", "fonts-noto-core")
    named = ", ".join(unicodedata.name(char, f"U+{ord(char):04X}").lower() for char in chars[:3])
    return _to_install(f"symbols like {named}", "Symbola", "fonts-symbola")


def _to_install(what: str, font: str, package: str) -> str:
    return (f"No font on this machine has {what}: boxes stand for it. Install {font} "
            f"(Debian and Ubuntu: apt install {package}).")


def _script(char: str) -> str:
    """As its Unicode name begins; one of all of East Asia; empty of symbols and of what has no name."""
    name = unicodedata.name(char, "").split(" ")[0].split("-")[0]
    if name.startswith(_EAST_ASIAN) or "\u3000" <= char <= "\u303f":
        return _EAST_ASIAN[0]
    return name if unicodedata.category(char)[0] in "LMN" else ""


def _properties(text: str, style: Style) -> "FontProperties":
    from matplotlib.font_manager import FontProperties

    others = dict.fromkeys(_family(char) or _NO_FONT for char in dict.fromkeys(text))
    families = [_OWN, *(name for name in others if name != _OWN)]
    return FontProperties(family=families, size=style.size, weight="bold" if style.bold else "normal")


@lru_cache
def _renderer() -> "RendererAgg":
    from matplotlib.backends.backend_agg import RendererAgg

    return RendererAgg(1, 1, DPI)


@lru_cache(maxsize=4096)
def _family(char: str) -> str | None:
    """The first family that has a character; None if none has."""
    from matplotlib.font_manager import fontManager

    if char.isspace() or _has(fontManager.findfont(_OWN), char):
        return _OWN
    if unicodedata.category(char) in ("Cs", "Co", "Cn"):
        return None
    return next((name for name, path in _installed() if _has(path, char)), None)


def _has(path: Any, char: str) -> bool:
    from matplotlib.font_manager import get_font

    return bool(get_font(path).get_char_index(ord(char)))


@lru_cache
def _installed() -> tuple[tuple[str, Any], ...]:
    """The machine's own families with a file of each, plain ones first; also those that matplotlib has not seen yet."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import FontProperties, findSystemFonts, fontManager

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it tells each weight that a family lacks
    for path in sorted({*findSystemFonts()} - {str(entry.fname) for entry in fontManager.ttflist}):
        try:
            fontManager.addfont(path)
        except (OSError, RuntimeError):  # a font of bitmaps
            continue
    names = {entry.name for entry in fontManager.ttflist
             if entry.style == "normal" and not str(entry.fname).startswith(get_data_path())}
    ordered = sorted(names, key=lambda name: (not name.startswith("Noto Sans"), "Mono" in name or "Serif" in name,
                                              not name.endswith(" SC"), name))
    return tuple((name, fontManager.findfont(FontProperties(family=name))) for name in ordered)
