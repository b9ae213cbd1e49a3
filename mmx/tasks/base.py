"""What a kind of model is asked, and how its output becomes explanations."""

import hashlib
import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from mmx.errors import UsageError
from mmx.methods import Method
from mmx.types import Detections, Explanation, Picture, Wanted

if TYPE_CHECKING:
    from mmx.explainer import Model

Result = Explanation | Detections


@dataclass(frozen=True)
class Job:
    """What is asked about one picture: a question, or, of a model that finds objects, which detections.

    `target` is an answer's text or index, None for the predicted one.
    """

    picture: Picture
    question: str | None = None
    target: str | int | None = None
    wanted: Wanted | None = None


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
    def check(self, question: str | None, target: str | int | None, wanted: Wanted | None) -> None:
        """Raises UsageError where something that is asked cannot be asked of this model."""

    @abstractmethod
    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method],
                      max_memory: int | None = None) -> list[list[Result]]:
        """For each job, a result by each method."""


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
