"""The words of a text, each with the relevance of its tokens."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from mmx.results import Token
from mmx.show.flow import Word
from mmx.show.text import clean

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
