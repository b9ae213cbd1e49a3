"""An explanation as an HTML figure for notebooks and reports: one inline picture, the rest as text, no script."""

from base64 import b64encode
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image

from mmx.render.colors import WHITE, rgb, text_color_on
from mmx.render.detection_words import counted, title
from mmx.render.flow import Word
from mmx.render.map_words import heading
from mmx.render.panel import answer_lines, small_print
from mmx.render.picture import picture_with_regions
from mmx.render.tokens import scored_words, word_shades
from mmx.render.typeset import clean
from mmx.types import Detections, Explanation, Explanations

_FIGURE = "margin:0;max-width:720px;padding:16px;background:#fff;color:#111827;font:16px/1.6 sans-serif"
_CHIP = "padding:.1em .2em;border-radius:.2em"
_SMALL = "color:#626a78;font-size:.8em"


def explanation_html(explanation: Explanation) -> str:
    """A `<figure>` with the coloured picture, the shaded question and the answer; all text in it is escaped."""
    answer, aside = answer_lines(explanation)
    caption = [
        f'<div dir="auto" style="font-size:1.3em">{_question(explanation)}</div>',
        f"<div><strong>{_text(answer)}</strong></div>",
        *(f'<div style="{_SMALL}">{_text(line)}</div>' for line in [aside, *small_print(explanation)] if line),
    ]
    picture = _image(picture_with_regions(explanation, long_side_px=688), f"{explanation.question} {answer}")
    return f'<figure style="{_FIGURE}">{picture}<figcaption>{"".join(caption)}</figcaption></figure>'


def detections_html(detections: Detections) -> str:
    """A `<figure>` with the sheet, and every detection in words for those who cannot see it."""
    sheet = detections.to_image()
    alt = "; ".join([counted(detections), *map(title, detections)])
    picture = _image(sheet, alt)
    return f'<figure style="margin:0;max-width:1536px">{picture}</figure>'


def explanations_html(found: Explanations) -> str:
    """A `<figure>` with the sheet, and every class or text in words for those who cannot see it."""
    alt = "; ".join(f"{one.question} {heading(one)}".strip() for one in found)
    return f'<figure style="margin:0;max-width:1536px">{_image(found.to_image(), alt)}</figure>'


def _image(image: Image.Image, alt: str) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    source = b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{_text(alt)}" style="max-width:100%" src="data:image/png;base64,{source}">'


def _question(explanation: Explanation) -> str:
    scores = explanation.scores.get("text", np.zeros(len(explanation.tokens)))
    words = scored_words(explanation.question, explanation.tokens, scores)
    shades = word_shades(words)
    chips = (_chip(word, rgb(shades.colormap, s)) for word, s in zip(words, shades.strengths.tolist(), strict=True))
    return "".join(chips).strip()


def _chip(word: Word, fill: tuple[int, int, int]) -> str:
    space = " " if word.spaced else ""
    if fill == WHITE:
        return f"{space}<span>{_text(word.text)}</span>"
    style = f"{_CHIP};background:rgb{fill};color:rgb{text_color_on(fill)}".replace(", ", ",")
    return f'{space}<span title="{word.score:.3g}" style="{style}">{_text(word.text)}</span>'


def _text(text: str) -> str:
    return escape(clean(text).encode("utf-8", errors="replace").decode("utf-8"))
