"""What somebody filled in on the page, and what is asked of a model by it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmx.elements.written import MOST_WRITTEN
from mmx.errors import UsageError
from mmx.families.base import LOGIT, TOKENS
from mmx.methods import Method
from mmx.model import Model
from mmx.results import Asked

EVERY, EVERY_OBJECT = "all", -1
MOST_LETTERS = 2000
MOST_AT_ONCE = 8
MOST_TOKENS = 200


@dataclass(frozen=True)
class Form:
    """Fields that the model does not have are left alone, whatever is in them.

    `targets` are answers or classes; `found` is the query of a detected object; `picture` is as the browser sends it;
    `answer` is one to explain in the place of the model's own; `against` what the explained is compared with.
    """

    model: str
    picture: Any = None
    question: str = ""
    texts: str = ""
    targets: Sequence[str | int] = ()
    found: int = EVERY_OBJECT
    methods: Sequence[str] = ("relevance",)
    answer: str = ""
    against: str = ""
    level: str = TOKENS
    score: str = LOGIT
    max_new_tokens: int | None = MOST_WRITTEN


def fields_of(model: Model) -> frozenset[str]:
    """The fields of `Asked` that the page has for a model; of one that matches texts, every text is explained."""
    needed = {model.family.needs} if model.family.needs else set()
    return (model.family.takes | needed) - (set() if model.labels else {"targets"})


def asked_by(form: Form, model: Model) -> Asked:
    """Raises UsageError where the model cannot be asked so."""
    fields = fields_of(model)
    asked = Asked(**{name: read(form) for name, read in _READ.items() if name in fields})
    if not (asked.question or "").strip() and model.family.needs != "question":  # then a picture is described
        asked = replace(asked, question=None)
    model.check(asked)
    return asked


def methods_of(form: Form, model: Model) -> list[Method]:
    if not form.methods:
        raise UsageError("No method is chosen.", "Choose one at least.")
    return list(model.fitting_methods(form.methods)[0])


def _question(form: Form) -> str:
    return _of_length(form.question or "", "question")


def _answer(form: Form) -> str | None:
    return _of_length(form.answer or "", "answer").strip() or None


def _against(form: Form) -> str | None:
    return _of_length(form.against or "", "thing to compare with").strip() or None


def _level(form: Form) -> str | None:
    return None if form.level == TOKENS else form.level


def _score(form: Form) -> str | None:
    return None if form.score == LOGIT else form.score


def _max_new_tokens(form: Form) -> int | None:
    if form.max_new_tokens is not None and form.max_new_tokens > MOST_TOKENS:
        raise UsageError(f"{form.max_new_tokens} tokens are more than the page has time for.",
                         f"Allow {MOST_TOKENS} at most.")
    return None if form.max_new_tokens == MOST_WRITTEN else form.max_new_tokens


def _texts(form: Form) -> tuple[str, ...]:
    lines = [_of_length(line.strip(), "text") for line in (form.texts or "").splitlines() if line.strip()]
    if not lines:
        raise UsageError("There is no text yet.", "Write one on each line.")
    return tuple(dict.fromkeys(_few(lines, "texts")))


def _targets(form: Form) -> tuple[str | int, ...]:
    return tuple(_few(form.targets or (), "things to explain"))


def _queries(form: Form) -> tuple[int, ...]:
    return () if form.found in (None, EVERY_OBJECT) else (form.found,)


_READ: Mapping[str, Callable[[Form], Any]] = {"question": _question, "texts": _texts, "targets": _targets,
                                              "queries": _queries, "answer": _answer, "against": _against,
                                              "level": _level, "score": _score, "max_new_tokens": _max_new_tokens}


def _of_length(text: str, what: str) -> str:
    if len(text) > MOST_LETTERS:
        raise UsageError(f"The {what} has {len(text)} letters.", f"Say it in {MOST_LETTERS} at most.")
    return text


def _few(things: Sequence[Any], what: str) -> Sequence[Any]:
    if len(things) > MOST_AT_ONCE:
        raise UsageError(f"These are {len(things)} {what}.", f"Give {MOST_AT_ONCE} at a time.")
    return things
