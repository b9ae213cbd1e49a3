"""What somebody filled in on the page, and what is asked of a model by it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmx.errors import UsageError
from mmx.explainer import Model
from mmx.methods import Method, all_methods, get_method
from mmx.tasks.base import Asked
from mmx.types import Wanted

QUESTION, TEXTS, CLASSES, OBJECTS = ("question answering", "image-text matching", "image classification",
                                     "object detection")
EVERY = "all"
MOST_LETTERS = 2000
MOST_AT_ONCE = 8
_THRESHOLD = 0.5


@dataclass(frozen=True)
class Form:
    """Fields that do not belong to the model's task are left alone, whatever is in them.

    `found` is the number of a detected object's query; `picture` is as the browser sends it.
    """

    model: str
    picture: Any = None
    question: str = ""
    answer: str | None = None
    texts: str = ""
    classes: Sequence[str] = ()
    found: int | None = None
    methods: Sequence[str] = field(default=("relevance",))


def asked_by(form: Form, model: Model) -> Asked:
    """Raises UsageError where the model cannot be asked so."""
    asked = _asked(form, model.family.task)
    model.check(**vars(asked))
    return asked


def methods_of(form: Form, model: Model) -> list[Method]:
    if not form.methods:
        raise UsageError("No method is chosen.", "Choose one at least.")
    if EVERY in form.methods:
        return [method for method in all_methods() if model.takes(method)]
    methods = [get_method(name) for name in dict.fromkeys(form.methods)]
    model.check_methods(methods)
    return methods


def _asked(form: Form, task: str) -> Asked:
    if task == QUESTION:
        return Asked(_of_length(form.question or "", "question"), target=form.answer or None)
    if task == TEXTS:
        lines = [_of_length(line.strip(), "text") for line in (form.texts or "").splitlines() if line.strip()]
        if not lines:
            raise UsageError("There is no text yet.", "Write one on each line.")
        return Asked(texts=tuple(dict.fromkeys(_few(lines, "texts"))))
    if task == CLASSES:
        return Asked(target=tuple(_few(form.classes or (), "classes")) or None)
    return Asked(wanted=Wanted(_THRESHOLD) if form.found is None else Wanted(queries=(form.found,)))


def _of_length(text: str, what: str) -> str:
    if len(text) > MOST_LETTERS:
        raise UsageError(f"The {what} has {len(text)} letters.", f"Say it in {MOST_LETTERS} at most.")
    return text


def _few(things: Sequence[str], what: str) -> Sequence[str]:
    if len(things) > MOST_AT_ONCE:
        raise UsageError(f"These are {len(things)} {what}.", f"Give {MOST_AT_ONCE} at a time.")
    return things
