"""The pieces of an explanation in HTML: inline styles and pictures only, and colours that a light or dark page gives.

A notebook or a page brings its own ground and text colour, so none is set here but on what is shaded. All text that
comes from outside goes through `text`.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image

from mmx.render.colors import RGB, Shades, rgb, text_color_on
from mmx.render.flow import Word
from mmx.render.legend import number
from mmx.render.tokens import scored_words, word_shades
from mmx.render.typeset import clean
from mmx.types import Explanation

_PRINTED = "print-color-adjust:exact;-webkit-print-color-adjust:exact"
_CHIP = f"padding:.1em .25em;border-radius:.25em;{_PRINTED}"
_QUALITY = 90
_FAINT = 0.05  # of the largest score: a paler chip would be the brightest thing on a dark page


def text(given: str) -> str:
    """One line of escaped text, whatever is in it."""
    return escape(clean(given).encode("utf-8", errors="replace").decode("utf-8"))


def block(content: str, style: str = "") -> str:
    """Text of a direction of its own."""
    return f'<div dir="auto" style="{style}">{content}</div>' if content else ""


def small(lines: Iterable[str]) -> str:
    """Plain lines that are there for whoever looks for them."""
    return "".join(block(text(line), "font-size:.8em;opacity:.75;overflow-wrap:anywhere") for line in lines if line)


def heading(content: str) -> str:
    """HTML that stands over what follows."""
    return block(content, "font-size:1.3em;line-height:1.5;margin:.1em 0 .3em;overflow-wrap:anywhere")


def figure(parts: Iterable[str], width: int) -> str:
    """Parts from top to bottom, `width` pixels wide at most."""
    style = f"margin:0;max-width:{width}px;font-family:system-ui,sans-serif;font-size:16px;line-height:1.6"
    return f'<figure style="{style}">{"".join(parts)}</figure>'


def cards(contents: Sequence[str], narrowest: int) -> str:
    """Side by side as many as there is room for, none broken over two printed pages."""
    columns = f"repeat(auto-fill,minmax(min(100%,{narrowest}px),1fr))"
    cells = "".join(f'<div style="break-inside:avoid;min-width:0">{content}</div>' for content in contents)
    return f'<div style="display:grid;grid-template-columns:{columns};gap:1.6em;margin:.8em 0">{cells}</div>'


def beside(one: str, other: str) -> str:
    """Two blocks side by side where there is room, else the second under the first."""
    first, second = (f'<div style="flex:1 1 {room};min-width:0;max-width:560px">{content}</div>'
                     for content, room in ((one, "340px"), (other, "320px")))
    return f'<div style="display:flex;flex-wrap:wrap;gap:.4em 2em">{first}{second}</div>'


def picture(image: Image.Image, alt: str) -> str:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    source = b64encode(buffer.getvalue()).decode("ascii")
    style = "display:block;max-width:100%;height:auto;margin:.3em 0;border-radius:4px"
    return f'<img alt="{text(alt)}" style="{style}" src="data:image/webp;base64,{source}">'


def shaded_question(explanation: Explanation) -> str:
    """The question or text of an explanation, each word on its colour; its score is what the mouse shows."""
    scores = explanation.scores.get("text", np.zeros(len(explanation.tokens)))
    words = scored_words(explanation.question, explanation.tokens, scores)
    shades = word_shades(words)
    fills = [rgb(shades.colormap, s) if abs(s) >= _FAINT else None for s in shades.strengths.tolist()]
    return "".join(map(_chip, words, fills)).strip()


def scale(shades: Shades, label: str) -> str:
    """The colours in use with the raw scores at their ends; a sentence if every score is zero."""
    if not shades.largest:
        return small([f"{label}: all zero" if shades.strengths.size else f"{label}: none"])
    stops = ",".join(_css(anchor) for anchor in shades.colormap.anchors)
    bar = ("display:inline-block;width:6em;height:.8em;vertical-align:-.08em;margin:0 .4em;border-radius:.2em;"
           f"border:1px solid #8888;background:linear-gradient(to right,{stops});{_PRINTED}")
    low, high = number(min(shades.colormap.low, 0) * shades.largest), number(shades.largest)
    return block(f'{text(label)}&ensp;{low}<span style="{bar}"></span>{high}', "font-size:.8em;opacity:.9")


def swatch(color: RGB) -> str:
    """A chip in the colour of a box."""
    style = f"display:inline-block;width:.75em;height:.75em;border-radius:.15em;background:{_css(color)};{_PRINTED}"
    return f'<span style="{style}"></span> '


def _chip(word: Word, fill: RGB | None) -> str:
    shade = f' style="{_CHIP};background:{_css(fill)};color:{_css(text_color_on(fill))}"' if fill else ""
    return f'{" " if word.spaced else ""}<span title="{word.score:.3g}"{shade}>{text(word.text)}</span>'


def _css(color: RGB) -> str:
    return f"rgb({','.join(map(str, color))})"
