"""What `explain` is called with, as users write it: pictures, questions, and what is asked of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from mmx.errors import UsageError
from mmx.images import Source
from mmx.results import Asked, Function, starts_by_stream

AnySource = TypeVar("AnySource", bound=Source)
"""What a list of pictures holds."""
Several = list[AnySource] | tuple[AnySource, ...]
"""Several pictures."""
Images = Source | list[Any] | tuple[Any, ...]
"""A picture, or several."""
Questions = str | list[str] | tuple[str, ...] | None
"""A question, or several, or none."""
Names = Sequence[str]
"""Of methods."""
Target = str | int | Sequence[str | int] | Function | tuple[Function, str | int] | None
"""What is explained, by text or index, or several of them; None is what the model predicts. Or a function of the
model's outputs, and at which text or word it is explained."""


class Options(TypedDict, total=False):
    """What `Model.explain` and `Model.explain_methods` take beside pictures, questions and methods; see there."""

    target: Target
    text: str | Sequence[str]
    threshold: float | None
    query: int | Sequence[int] | None
    class_name: str | None
    start_layer: int | None
    start_layer_text: int | None
    answer: str | None
    against: str | int | None
    level: str | None
    score: str | None
    max_new_tokens: int | None
    samples: int | None
    max_memory: int | None
    together: bool


def asked_of(target: Target = None, text: str | Sequence[str] = (), threshold: float | None = None,
             query: int | Sequence[int] | None = None, class_name: str | None = None, start_layer: int | None = None,
             start_layer_text: int | None = None, **more: Any) -> Asked:
    """All that is asked but the question.

    Args:
        more: what else, by the names of `Asked`'s fields.
    """
    if target is None:
        given: tuple[Any, ...] = ()
    else:
        given = tuple(target) if isinstance(target, Sequence) and not isinstance(target, str) else (target,)
    function, targets = (given[0], given[1:]) if given and callable(given[0]) else (None, given)
    if any(map(callable, targets)):
        raise UsageError("One function of the outputs is explained at a time.", "Give each in a call of its own.")
    queries = () if query is None else tuple(map(int, query)) if isinstance(query, Iterable) else (int(query),)
    texts = tuple(dict.fromkeys((text,) if isinstance(text, str) else text))
    return Asked(None, texts, targets, threshold, queries, class_name,
                 starts_by_stream(start_layer, start_layer_text), function=function, **more)


@dataclass(frozen=True)
class Pairs:
    """The pictures of a prompt, mostly one, and a question each; and whether there may be several of them."""

    pairs: tuple[tuple[tuple[Source, ...], str | None], ...]
    several: bool

    @classmethod
    def of(cls, image: Images, question: Questions = None, together: bool = False) -> "Pairs":
        """One picture or question is for all of the others; several of both go together in order.

        Args:
            together: all pictures are of one prompt.

        Raises:
            UsageError: there are several of both, and not as many of one as of the other.
        """
        images: list[Source] = list(image) if isinstance(image, list | tuple) else [image]
        questions: list[str | None] = list(question) if isinstance(question, list | tuple) else [question]
        if together:
            return cls(tuple((tuple(images), one) for one in questions), isinstance(question, list | tuple))
        if not isinstance(image, list | tuple):
            images *= len(questions)
        elif not isinstance(question, list | tuple):
            questions *= len(images)
        if len(images) != len(questions):
            raise UsageError(f"{len(images)} pictures and {len(questions)} questions do not go together.",
                             "Give a question for each picture, or one for all.")
        several = isinstance(image, list | tuple) or isinstance(question, list | tuple)
        return cls(tuple(((one,), asked) for one, asked in zip(images, questions, strict=True)), several)
