"""VQA's soft accuracy: an answer counts in full where three of the other nine people gave it (Antol et al. 2015).

The official evaluation (VQA v2, `vqaEval.py`) averages over the ten ways to leave one person out, and brings answers
to one form before it compares them, unless all ten people gave the very same.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, TypeGuard

from mmx.errors import shown_value

_ENOUGH = 3
_ANSWER, _SCORE = "answer", "score"
_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_POINT = re.compile(r"\.(?!\d)")
_GROUPED_DIGITS = re.compile(r"\d,\d")
_ARTICLES = {"a", "an", "the"}
_NUMBERS = {word: str(value) for value, word in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"))} | {"none": "0"}

_BEFORE_NOT = ("ai", "are", "ca", "could", "did", "does", "do", "had", "has", "have", "is", "might", "must", "need",
               "ought", "sha", "should", "was", "were", "wo", "would")
_BEFORE = {
    "d": "he how it someone something there they where who you", "re": "there they what why you",
    "ll": "how it somebody someone something they what who why you", "s": "he how somebody someone that there what "
    "when where who why", "ve": "could might must not should they we what where who would you",
}
_BEFORE_NOT_HAVE = ("could", "had", "might", "should", "would")
_BEFORE_HAD_HAVE = ("he", "it", "she", "somebody", "someone", "something", "there", "they", "we", "who", "you", "y'all")
_CONTRACTIONS = {
    **{f"{word}nt": f"{word}n't" for word in _BEFORE_NOT},
    **{f"{word}{end}": f"{word}'{end}" for end, words in _BEFORE.items() for word in words.split()},
    **{f"{word}{end}": f"{word}n't've" for word in _BEFORE_NOT_HAVE for end in ("n'tve", "nt've")},
    **{f"{word}{end}": f"{word}'d've" for word in _BEFORE_HAD_HAVE for end in ("d've", "'dve")},
    "maam": "ma'am", "oclock": "o'clock", "twas": "'twas", "yall": "y'all", "yall'll": "y'all'll",
    "y'allll": "y'all'll", "yall'd've": "y'all'd've", "somebody'd": "somebodyd",
    **dict.fromkeys(("ow's'at", "'ows'at", "'ow'sat"), "'ow's'at"),
}


@dataclass(frozen=True)
class Truth:
    """How good each answer is: `scores` from 0 to 1, by the form that `form` brings an answer to."""

    scores: Mapping[str, float]
    form: Callable[[str], str] = str

    def accuracy(self, answer: str) -> float:
        """How good this answer is, from 0 to 1; one that nobody gave is 0."""
        return self.scores.get(self.form(answer), 0.0)


def truth_of_people(answers: Sequence[str]) -> Truth:
    """The official soft accuracy, out of what each of several people answered."""
    given = [_plain(answer) for answer in answers]
    form = official_form if len(set(given)) > 1 else _plain
    counts = Counter(map(form, given))
    return Truth({answer: _soft(count, len(given)) for answer, count in counts.items()}, form)


def truth_of_one(answer: str) -> Truth:
    """One right answer, in upper or lower case."""
    return Truth({_lower(answer): 1.0}, _lower)


def truth_of(answers: Any) -> Truth:
    """One answer, several people's, or a score for each; an answer may be an object, as in VizWiz's file.

    Raises:
        ValueError: it is none of these; says what is wrong.
    """
    if isinstance(answers, Mapping):
        if _ANSWER not in answers or (len(answers) > 1 and all(map(_is_number, answers.values()))):
            return truth_of_scores(answers)
        answers = [answers]
    if isinstance(answers, str) or not isinstance(answers, Iterable):
        return truth_of_one(_text(answers))
    given = list(answers)
    if given and all(isinstance(one, Mapping) and _SCORE in one for one in given):
        return truth_of_scores({_text(one): one[_SCORE] for one in given})
    people = [_text(one) for one in given]
    if not any(people):
        raise ValueError("there is no answer")
    return truth_of_people(people) if len(people) > 1 else truth_of_one(people[0])


def truth_of_scores(scores: Mapping[Any, Any]) -> Truth:
    """A score for each answer; of none, no answer is right. Raises ValueError where one is not from 0 to 1."""
    if not isinstance(scores, Mapping):
        raise ValueError(f"{shown_value(scores)} does not map answers to scores")
    for answer, score in scores.items():
        if not _is_number(score) or not 0 <= score <= 1:
            raise ValueError(f"the score of {shown_value(answer)} is {shown_value(score)}, not a number from 0 to 1")
    return Truth({str(answer): float(score) for answer, score in scores.items()})


def _text(answer: Any) -> str:
    given = answer.get(_ANSWER) if isinstance(answer, Mapping) else answer
    if isinstance(given, str):
        return given
    if _is_number(given) and math.isfinite(given):
        return str(int(given)) if given == int(given) else str(given)
    raise ValueError(f"{shown_value(answer)} is no answer")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


@lru_cache(maxsize=2**16)
def official_form(answer: str) -> str:
    """Without articles and most marks, in lower case, number words as digits, contractions with their apostrophe."""
    given = bare = _plain(answer)
    glued = bool(_GROUPED_DIGITS.search(given))
    for mark in _MARKS:
        stands_off = f"{mark} " in given or f" {mark}" in given
        bare = bare.replace(mark, "" if glued or stands_off else " ")
    words = (_NUMBERS.get(word, word) for word in _POINT.sub("", bare).lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def _soft(count: int, people: int) -> float:
    """Mean over the people left out of min(1, others who agree / 3), by how many gave this answer."""
    agreed = count * min(_ENOUGH, count - 1) + (people - count) * min(_ENOUGH, count)
    return agreed / (_ENOUGH * people)


def _plain(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()


def _lower(answer: str) -> str:
    return answer.strip().lower()
