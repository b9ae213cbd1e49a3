"""The words of a text, each with the relevance of its tokens."""

from collections.abc import Sequence

import numpy as np

from mmx.results import Token, words_in
from mmx.show.flow import Word
from mmx.show.text import clean, without_space


def scored_words(text: str, tokens: Sequence[Token], scores: np.ndarray) -> list[Word]:
    """The text's words in order, each with the sum of its tokens' scores; what no token covers keeps the score 0."""
    of_tokens = [score for _, score in zip(tokens, np.asarray(scores, dtype=np.float64).tolist(), strict=True)]
    words: list[Word] = []
    end = 0
    for word in words_in(text, tokens):
        words += _uncovered(text, end, word.start)
        spaced = word.start == 0 or text[word.start - 1].isspace()
        words.append(Word(clean(text[word.start:word.stop]), spaced, sum(of_tokens[place] for place in word.tokens)))
        end = word.stop
    words += _uncovered(text, end, len(text))
    return [word for word in words if word.text]


def covered(words: Sequence[Word], text: str, span: tuple[int, int]) -> range:
    """The places of the words that a span of a text's characters has a part in."""
    start, stop = (len(without_space(text[:end])) for end in span)
    ends = np.cumsum([len(without_space(word.text)) for word in words])
    first = int(np.searchsorted(ends, start, side="right"))
    return range(first, max(first, int(np.searchsorted(ends, stop, side="left")) + 1))


def _uncovered(text: str, start: int, stop: int) -> list[Word]:
    words = clean(text[start:stop]).split(" ")
    opens = start == 0 or text[start:start + 1].isspace()
    return [Word(word, spaced=opens or number > 0) for number, word in enumerate(words) if word]
