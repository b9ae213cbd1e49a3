"""Which tokens of a text are one word of it."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from mmx.results.elements import Token

_APOSTROPHES = "'\u2019"
_SCRIPTS_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA")


@dataclass(frozen=True)
class WordSpan:
    """A word: where it starts and ends in the text, in characters, and the places of its `tokens`, in order."""

    start: int
    stop: int
    tokens: tuple[int, ...]


def words_in(text: str, tokens: Sequence[Token]) -> list[WordSpan]:
    """The words that tokens cover, in order.

    Tokens whose spans touch are one word, unless a mark or an ideograph stands where they meet; an apostrophe within
    a word is no such mark. Special tokens and tokens without a span are no part of the text.
    """
    found: list[WordSpan] = []
    for place, token in enumerate(tokens):
        if token.special or token.span is None:
            continue
        start, stop = _without_outer_space(text, *token.span)
        if start >= stop:
            continue
        if found and _same_word(text, found[-1], start):
            before = found.pop()
            found.append(WordSpan(before.start, max(stop, before.stop), (*before.tokens, place)))
        else:
            found.append(WordSpan(start, stop, (place,)))
    return found


def _without_outer_space(text: str, start: int, stop: int) -> tuple[int, int]:
    part = text[start:stop]
    return start + len(part) - len(part.lstrip()), stop - len(part) + len(part.rstrip())


def _same_word(text: str, before: WordSpan, start: int) -> bool:
    if start != before.stop:
        return start < before.stop
    return not _stands_alone(text, start - 1) and not _stands_alone(text, start)


def _stands_alone(text: str, position: int) -> bool:
    char = text[position]
    around = text[max(0, position - 1):position], text[position + 1:position + 2]
    if char in _APOSTROPHES and all(side.isalpha() for side in around):
        return False
    name = unicodedata.name(char, "")
    return unicodedata.category(char)[0] in "PS" or name.startswith(_SCRIPTS_WITHOUT_SPACES)
