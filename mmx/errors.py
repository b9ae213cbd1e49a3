"""Errors that a user can act on: one sentence that names what is wrong, and one that says the way out.

What to give is named as Python has it, in backticks: `device="cpu"`, `images=`. Who shows messages to others tells it
their way, by `fields_told`.
"""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

_LONGEST_VALUE = 40


def shown_path(path: str | Path) -> str:
    """The path as it may stand in a one-line message: escaped if it holds line breaks or undecodable bytes."""
    return str(path) if str(path).isprintable() else ascii(str(path))


def shown_value(value: object) -> str:
    """A value out of somebody's file, as it may stand in a one-line message."""
    text = ascii(value) if not isinstance(value, str) else f"'{shown_path(value)}'"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def plural(noun: str) -> str:
    """More than one of them: "answers", "classes"."""
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def one_of(noun: str) -> str:
    """ "a class", "an answer"."""
    return f"{'an' if noun[:1] in tuple('AEIOUaeiou') else 'a'} {noun}"


_FIELD = re.compile(r"`([a-z_]+)=([^`]*)`")


def fields_told(message: str, told: Callable[[str, str], str]) -> str:
    """The message with each `name=value` of it as `told` says it, given the name and the value, "" for none."""
    return _FIELD.sub(lambda found: told(found[1], found[2]), message)


class MmxError(Exception):
    """Something could not be done. The command line prints it in one line and exits with 1."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message} {hint}" if hint else message)
        self.message, self.hint = message, hint

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.hint), vars(self)


class UsageError(MmxError):
    """What was asked for makes no sense as asked: an unknown name, an empty question. Exit code 2."""

    exit_code = 2


class ImageError(MmxError):
    """A picture cannot be read."""


class CheckpointError(MmxError):
    """A checkpoint cannot be found, read or used."""


class CaptureError(MmxError):
    """A captured attention map is not what its site promises."""


class UndefinedError(CaptureError):
    """A method is not defined on a model, or on what it was asked."""


class OutputError(MmxError):
    """A result cannot be written."""


class Notice(UserWarning):
    """What somebody who waits for results must know and need not act on. The command line prints it as a note."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what is kept and how to go on. Exit code 130."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message} {hint}" if hint else message)
        self.message, self.hint = message, hint


def unknown_name(kind: str, name: str, known: Sequence[str], also: Sequence[str] = ()) -> UsageError:
    """The error for a name that is not there, with the nearest one that is (`also` holds unlisted aliases)."""
    close = get_close_matches(name.lower(), [*known, *also], n=1, cutoff=0.5)
    suggestion = f"Did you mean '{close[0]}'? " if close else ""
    return UsageError(f"No {kind} named '{name}'.", f"{suggestion}There are: {', '.join(known)}.")


def unknown_choice(message: str, text: str, what: str, names: Sequence[str], most: int) -> UsageError:
    """The error for one of many names that is not there, with the nearest one that is and the first `most` of them."""
    close = get_close_matches(text.lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    shown = ", ".join(names[:most]) + (", ..." if len(names) > most else "")
    return UsageError(message, (f"Did you mean '{close[0]}'? " if close else "") + f"Its {len(names)} {what}: {shown}.")
