"""Which font has a character: the bundled ones first, then what the system usually has."""

import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FONTS = Path(__file__).parent / "fonts"
_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansCJKjp-Regular.otf", "NotoSansSC-Regular.otf",
    "wqy-zenhei.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "PingFang.ttc",
    "Hiragino Sans GB.ttc", "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "Arial Unicode.ttf", "NotoSansThai-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf", "NotoSansBengali-Regular.ttf", "Nirmala.ttf", "NotoEmoji-Regular.ttf",
    "Symbola.ttf", "seguisym.ttf", "seguiemj.ttf",
)  # fmt: skip
_NO_SUCH_CHARACTER = "\U0010ffff"


@lru_cache(maxsize=4096)
def font_with(char: str, size: int, bold: bool) -> ImageFont.FreeTypeFont | None:
    """The first font that can draw `char`, None if none can."""
    if unicodedata.category(char) in ("Cs", "Co", "Cn"):
        return None
    own = str(FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"))
    if char.isspace() or has_character(own, char):
        return _font(own, size)
    others = (str(FONTS / "DejaVuSans.ttf"), *_system_font_paths())
    return next((_font(path, size) for path in others if has_character(path, char)), None)


@lru_cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=4096)
def has_character(path: str, char: str) -> bool:
    """Whether a font file draws more for `char` than its empty square."""
    return _ink(path, char) != _ink(path, _NO_SUCH_CHARACTER)


def _ink(path: str, char: str) -> bytes:
    # Basic layout: shaping would put a dotted circle beside the empty square of a missing vowel sign.
    return bytes(ImageFont.truetype(path, 16, layout_engine=ImageFont.Layout.BASIC).getmask(char))


@lru_cache
def _system_font_paths() -> tuple[str, ...]:
    found = []
    for name in _SYSTEM_FONTS:
        try:
            found.append(str(ImageFont.truetype(name, 16).path))
        except OSError:
            continue
    return tuple(found)
