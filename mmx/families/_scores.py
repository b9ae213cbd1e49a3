"""Kinds of score, of which a family has one: what its models say, and what can be asked of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

# A score says which fields of `Asked` its models take beside what they need, and what can be given in words.
_TARGET = "target says what is explained"
LOGIT, PROBABILITY, LOGPROB, SIMILARITY = SCORES = ("logit", "probability", "logprob", "similarity")
"""What is differentiated: a logit; the probability that it becomes in a softmax or a sigmoid; the logarithm of that; a
cosine."""
UNIT_OF_PROBLEM: Mapping[str, Any] = {
    "single_label_classification": "softmax", "multi_label_classification": "sigmoid", "regression": "value"}
"""What the logits of classes become, by the `problem_type` of a config."""


@dataclass(frozen=True)
class Classes:
    """A logit for each of some answers or classes, (batch, classes).

    Attributes:
        noun: "class" or "answer".
        unit: what the logits become; a config that says multi-label or regression goes first.
        count: name in the config of how many there are.
    """

    kind: ClassVar[str] = "classes"
    does: ClassVar[str] = "classifies pictures"
    takes: ClassVar[frozenset[str]] = frozenset({"targets", "against", "score"})
    choices: ClassVar[str] = _TARGET
    noun: str = "class"
    unit: str = "softmax"
    count: str = "num_labels"


@dataclass(frozen=True)
class Pairs:
    """A logit for each picture and text, (pictures, texts), out of two towers.

    The outputs "scale" and, if there is one, "bias" make a cosine of it: (logit - bias) / scale.

    Attributes:
        unit: "similarity", beside a softmax over the texts; or "sigmoid", where each pair stands for itself.
    """

    kind: ClassVar[str] = "pairs"
    does: ClassVar[str] = "matches pictures and texts"
    takes: ClassVar[frozenset[str]] = frozenset({"texts", "targets", "against", "score"})
    choices: ClassVar[str] = _TARGET
    unit: str = "similarity"


@dataclass(frozen=True)
class Matches:
    """Logits for a picture with a text, (batch, logits), of which number `match` says that they go together.

    Attributes:
        unit: "softmax", where another logit says that they do not; or "logit", where it stands alone, beside a
            softmax over the texts.
    """

    kind: ClassVar[str] = "matches"
    does: ClassVar[str] = "matches pictures and texts"
    takes: ClassVar[frozenset[str]] = frozenset({"texts", "targets", "score"})
    choices: ClassVar[str] = _TARGET
    match: int = 1
    unit: str = "softmax"


@dataclass(frozen=True)
class Queries:
    """A logit for each object query and class, (batch, queries, classes), and "boxes" (batch, queries, 4) cxcywh.

    Attributes:
        unit: what the logits become: "softmax" over the classes and a last one for no object; or "sigmoid", where each
            class stands for itself and there is no such last one.
        queries: how many there are, by the config.
    """

    kind: ClassVar[str] = "queries"
    noun: ClassVar[str] = "class"
    count: ClassVar[str] = "num_labels"
    does: ClassVar[str] = "finds objects"
    takes: ClassVar[frozenset[str]] = frozenset({"threshold", "queries", "class_name", "against", "score"})
    choices: ClassVar[str] = "threshold, query and class say what is explained"
    unit: str = "softmax"
    queries: Callable[[Any], int] = lambda config: config.num_queries


@dataclass(frozen=True)
class Tokens:
    """A logit for each token that may follow each one of an answer, (batch, tokens, vocabulary); "ids" (batch, tokens)
    are those of the answer, or of a prompt and the answer: token p of them is scored at p - 1.

    Attributes:
        prompted: whether a prompt stands before the answer. Where nobody says what is the answer, it is the last token,
            and else all tokens behind the first.
        kept_by: forward's argument that says for which tokens it gives logits, where it has one: for a long prompt and
            a large vocabulary all of them would be the largest tensor.
        unit: by what a single token is explained where nobody says: its "logit", "probability" or "logprob".
    """

    kind: ClassVar[str] = "tokens"
    does: ClassVar[str] = "answers questions in words of its own"
    takes: ClassVar[frozenset[str]] = frozenset(
        {"question", "targets", "answer", "against", "level", "score", "max_new_tokens"})
    choices: ClassVar[str] = "target says which words of the answer are explained"
    prompted: bool = False
    kept_by: str = ""
    unit: str = "logit"


@dataclass(frozen=True)
class TextQueries:
    """A logit for each object query and text, (batch, queries, texts), and "boxes" as of `Queries`.

    Every picture is looked over for all texts of its batch, and the towers meet in the score alone: the batch of the
    text stream has all texts for the first picture, then all for the second.

    Attributes:
        unit, queries: as of `Queries`.
    """

    kind: ClassVar[str] = "text_queries"
    does: ClassVar[str] = "finds what texts say"
    takes: ClassVar[frozenset[str]] = frozenset(
        {"texts", "threshold", "queries", "class_name", "against", "score"})
    choices: ClassVar[str] = "threshold, query and class say what is explained"
    unit: str = "sigmoid"
    queries: Callable[[Any], int] = lambda config: config.num_queries


Labelled = Classes | Queries
"""Scores of what has names: answers or classes."""
Score = Labelled | Pairs | Matches | TextQueries | Tokens
