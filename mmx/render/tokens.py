"""The question, each word shaded by the relevance of its tokens."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from mmx.render.canvas import blank, rounded_box
from mmx.render.colors import WHITE, Shades, rgb, shades_of, text_color_on
from mmx.render.flow import Placed, Word, broken_into_lines, placed_line, reads_from_the_right
from mmx.render.typeset import Style, clean, draw_text
from mmx.types import Token

_APOSTROPHES = "'\u2019"
_SCRIPTS_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA")


def scored_words(question: str, tokens: Sequence[Token], scores: np.ndarray) -> list[Word]:
    """The question's words in order, each with the sum of its tokens' scores.

    Tokens whose spans touch are one word, unless a mark or an ideograph stands where they meet; an apostrophe within
    a word is no such mark. Special tokens
    and tokens without a span are no part of the question; what no token covers keeps the score 0.
    """
    words: list[Word] = []
    end = 0
    for start, stop, score in [*_spans(question, tokens, scores), (len(question), len(question), 0.0)]:
        words += _uncovered(question, end, start)
        if start < stop:
            spaced = start == 0 or question[start - 1].isspace()
            words.append(Word(clean(question[start:stop]), spaced, score))
        end = stop
    return [word for word in words if word.text]


def word_shades(words: Sequence[Word]) -> Shades:
    """Words on their own scale."""
    return shades_of(np.array([word.score for word in words]))


def shaded_words(words: Sequence[Word], style: Style, width: int) -> Image.Image:
    """A block of words, each on its colour, `width` wide and as high as it takes."""
    shades = word_shades(words)
    strong = [replace(word, score=float(s)) for word, s in zip(words, shades.strengths, strict=True)]
    padding, from_right = style.size // 7, reads_from_the_right(words)
    lines = broken_into_lines(strong, style, width, padding)
    pitch = round(1.6 * style.size)
    canvas = blank(width, len(lines) * pitch)
    for number, line in enumerate(lines):
        for placed in placed_line(line, style, width, padding, from_right):
            _draw_chip(canvas, placed, number * pitch, padding, style, shades)
    return canvas


def _spans(question: str, tokens: Sequence[Token], scores: np.ndarray) -> list[tuple[int, int, float]]:
    """Start, end and summed score of every word that tokens cover."""
    spans: list[tuple[int, int, float]] = []
    for token, score in zip(tokens, np.asarray(scores, dtype=np.float64).tolist(), strict=True):
        if token.special or token.span is None:
            continue
        start, stop = _without_outer_space(question, *token.span)
        if start >= stop:
            continue
        if spans and _same_word(question, spans[-1], start):
            spans[-1] = (spans[-1][0], max(stop, spans[-1][1]), spans[-1][2] + score)
        else:
            spans.append((start, stop, score))
    return spans


def _without_outer_space(question: str, start: int, stop: int) -> tuple[int, int]:
    text = question[start:stop]
    return start + len(text) - len(text.lstrip()), stop - len(text) + len(text.rstrip())


def _same_word(question: str, before: tuple[int, int, float], start: int) -> bool:
    if start != before[1]:
        return start < before[1]
    return not _stands_alone(question, start - 1) and not _stands_alone(question, start)


def _stands_alone(question: str, position: int) -> bool:
    char = question[position]
    around = question[max(0, position - 1):position], question[position + 1:position + 2]
    if char in _APOSTROPHES and all(side.isalpha() for side in around):
        return False
    name = unicodedata.name(char, "")
    return unicodedata.category(char)[0] in "PS" or name.startswith(_SCRIPTS_WITHOUT_SPACES)


def _uncovered(question: str, start: int, stop: int) -> list[Word]:
    words = clean(question[start:stop]).split(" ")
    opens = start == 0 or question[start:start + 1].isspace()
    return [Word(text, spaced=opens or number > 0) for number, text in enumerate(words) if text]


def _draw_chip(canvas: Image.Image, placed: Placed, top: int, padding: int, style: Style, shades: Shades) -> None:
    strength = placed.word.score
    fill = rgb(shades.colormap, strength) if strength else WHITE
    if strength:
        box = (placed.x, top + 1, placed.x + placed.width - 1, top + round(1.45 * style.size))
        rounded_box(canvas, box, style.size // 6, fill)
    color = replace(style, color=text_color_on(fill))
    draw_text(canvas, placed.x + padding, top + round(1.06 * style.size), placed.word.text, color)
