"""What a kind of model is asked, and how its output becomes explanations."""

import hashlib
import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from mmx.errors import UsageError
from mmx.methods import Method
from mmx.types import Detections, Explanation, Explanations, Picture, Wanted

if TYPE_CHECKING:
    from mmx.explainer import Model

Result = Explanation | Detections | Explanations
Target = str | int | tuple[str | int, ...] | None
"""What is explained, by text or index, or several of them; None is the predicted one."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a model; which of it fits is its task's to say.

    `start_layers` has the first layer that is read by stream, for the streams of which one is asked for.
    """

    question: str | None = None
    target: Target = None
    wanted: Wanted | None = None
    texts: tuple[str, ...] = ()
    start_layers: Mapping[str, int] = field(default_factory=dict)

    def about(self, picture: Picture) -> "Job":
        return Job(picture, self.question, self.target, self.wanted, self.texts, self.start_layers)


@dataclass(frozen=True)
class Job:
    """What is asked about one picture; see `Asked`."""

    picture: Picture
    question: str | None = None
    target: Target = None
    wanted: Wanted | None = None
    texts: tuple[str, ...] = ()
    start_layers: Mapping[str, int] = field(default_factory=dict)


class Task(ABC):
    """One kind of question, for one model."""

    def __init__(self, model: "Model") -> None:
        self.model = model

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of every result must know."""
        return ()

    @abstractmethod
    def load(self) -> None:
        """Reads what else of the checkpoint is needed, so that a broken file is one error and not one per picture."""

    @abstractmethod
    def check(self, asked: Asked) -> None:
        """Raises UsageError where something that is asked cannot be asked of this model."""

    @abstractmethod
    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method],
                      max_memory: int | None = None) -> list[list[Result]]:
        """For each job, a result by each method."""


def targets_of(target: Target) -> tuple[str | int, ...]:
    """Each that was named; none where the prediction is wanted."""
    return () if target is None else target if isinstance(target, tuple) else (target,)


def seed_of(*parts: str) -> int:
    """A number that depends on the parts alone, so that what is random is the same in any batch and on any day."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:7], "big")


def index_of(text: str | int, names: Sequence[str]) -> int | None:
    """One of the names, in any case, else a number below their count; None if it is neither."""
    given = str(text).strip()
    lowered = [name.lower() for name in names]
    if not isinstance(text, int) and given.lower() in lowered:
        return lowered.index(given.lower())
    return int(given) if given.isdecimal() and int(given) < len(names) else None


def unknown_choice(message: str, text: str, what: str, names: Sequence[str], most: int) -> UsageError:
    """The error for a name that is not there, with the nearest one that is and the first `most` of them."""
    close = get_close_matches(text.lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    shown = ", ".join(names[:most]) + (", ..." if len(names) > most else "")
    return UsageError(message, (f"Did you mean '{close[0]}'? " if close else "") + f"Its {len(names)} {what}: {shown}.")


@cache
def versions() -> dict[str, str]:
    packages = ("mmx", "torch", "transformers", "torchvision", "pillow", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
