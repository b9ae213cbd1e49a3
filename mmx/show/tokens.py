"""A text, each word shaded by the relevance of its tokens."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from mmx.results import Token
from mmx.show.canvas import blank, rounded_box
from mmx.show.colors import WHITE, Shades, rgb, text_color_on
from mmx.show.flow import Placed, Word, broken_into_lines, placed_line, reads_from_the_right
from mmx.show.typeset import Style, clean, draw_text

_APOSTROPHES = "'\u2019"
_SCRIPTS_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA")


def scored_words(text: str, tokens: Sequence[Token], scores: np.ndarray) -> list[Word]:
    """The text's words in order, each with the sum of its tokens' scores.

    Tokens whose spans touch are one word, unless a mark or an ideograph stands where they meet; an apostrophe within
    a word is no such mark. Special tokens and tokens without a span are no part of the text; what no token covers
    keeps the score 0.
    """
    words: list[Word] = []
    end = 0
    for start, stop, score in [*_spans(text, tokens, scores), (len(text), len(text), 0.0)]:
        words += _uncovered(text, end, start)
        if start < stop:
            spaced = start == 0 or text[start - 1].isspace()
            words.append(Word(clean(text[start:stop]), spaced, score))
        end = stop
    return [word for word in words if word.text]


def shaded_words(words: Sequence[Word], shades: Shades, style: Style, width: int) -> Image.Image:
    """A block of words, each on its colour, `width` wide and as high as it takes; `shades` has one for each word."""
    strong = [replace(word, score=float(s)) for word, s in zip(words, shades.strengths, strict=True)]
    padding, from_right = style.size // 7, reads_from_the_right(words)
    lines = broken_into_lines(strong, style, width, padding)
    pitch = round(1.6 * style.size)
    canvas = blank(width, len(lines) * pitch)
    for number, line in enumerate(lines):
        for placed in placed_line(line, style, width, padding, from_right):
            _draw_chip(canvas, placed, number * pitch, padding, style, shades)
    return canvas


def _spans(text: str, tokens: Sequence[Token], scores: np.ndarray) -> list[tuple[int, int, float]]:
    """Start, end and summed score of every word that tokens cover."""
    spans: list[tuple[int, int, float]] = []
    for token, score in zip(tokens, np.asarray(scores, dtype=np.float64).tolist(), strict=True):
        if token.special or token.span is None:
            continue
        start, stop = _without_outer_space(text, *token.span)
        if start >= stop:
            continue
        if spans and _same_word(text, spans[-1], start):
            spans[-1] = (spans[-1][0], max(stop, spans[-1][1]), spans[-1][2] + score)
        else:
            spans.append((start, stop, score))
    return spans


def _without_outer_space(text: str, start: int, stop: int) -> tuple[int, int]:
    part = text[start:stop]
    return start + len(part) - len(part.lstrip()), stop - len(part) + len(part.rstrip())


def _same_word(text: str, before: tuple[int, int, float], start: int) -> bool:
    if start != before[1]:
        return start < before[1]
    return not _stands_alone(text, start - 1) and not _stands_alone(text, start)


def _stands_alone(text: str, position: int) -> bool:
    char = text[position]
    around = text[max(0, position - 1):position], text[position + 1:position + 2]
    if char in _APOSTROPHES and all(side.isalpha() for side in around):
        return False
    name = unicodedata.name(char, "")
    return unicodedata.category(char)[0] in "PS" or name.startswith(_SCRIPTS_WITHOUT_SPACES)


def _uncovered(text: str, start: int, stop: int) -> list[Word]:
    words = clean(text[start:stop]).split(" ")
    opens = start == 0 or text[start:start + 1].isspace()
    return [Word(word, spaced=opens or number > 0) for number, word in enumerate(words) if word]


def _draw_chip(canvas: Image.Image, placed: Placed, top: int, padding: int, style: Style, shades: Shades) -> None:
    strength = placed.word.score
    fill = rgb(shades.colormap, strength) if strength else WHITE
    if strength:
        box = (placed.x, top + 1, placed.x + placed.width - 1, top + round(1.45 * style.size))
        rounded_box(canvas, box, style.size // 6, fill)
    color = replace(style, color=text_color_on(fill))
    draw_text(canvas, placed.x + padding, top + round(1.06 * style.size), placed.word.text, color)
