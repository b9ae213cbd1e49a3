"""What a study says while it runs: how far it is, and lines. The command line and a notebook show it their own way."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["note", "warning", "error"]
"""A choice that was made; what puts the result in doubt; a sample that could not be used."""


class Reporter(Protocol):
    """What is called while a study runs; given to it as `progress`."""

    def progress(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Entered before `total` samples go through the model; yields what is told how many more are done."""
        ...

    def line(self, kind: Kind, text: str) -> None:
        """One line, without a line break."""


class AsWarnings:
    """No bar, and every line a Python warning."""

    def progress(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda done: None)

    def line(self, kind: Kind, text: str) -> None:
        warnings.warn(text, stacklevel=2)


@dataclass(frozen=True)
class ErrorsOnly(AsWarnings):
    """Of a process that does not lead: what failed there, and nothing that the leading one says too."""

    reporter: Reporter

    def line(self, kind: Kind, text: str) -> None:
        if kind == "error":
            self.reporter.line(kind, text)


def reporter_of(asked: Reporter | None, leads: bool) -> Reporter:
    """The one that was asked for, or Python's warnings."""
    found = asked or AsWarnings()
    return found if leads else ErrorsOnly(found)
