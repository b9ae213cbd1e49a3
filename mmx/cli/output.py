"""Results go to stdout; progress, notes and errors to stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmx.errors import MmxError


def stdout_console() -> Console:
    """Wide and plain in a pipe, so that no line is broken there."""
    return Console(file=sys.stdout, highlight=False, **({} if sys.stdout.isatty() else {"width": 10_000}))


def stderr_console() -> Console:
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def print_error(error: MmxError) -> None:
    hint = f" [dim]{escape(error.hint)}[/dim]" if error.hint else ""
    stderr_console().print(f"[bold red]error:[/bold red] {_one_line(escape(error.message))}{_one_line(hint)}")


def print_note(text: str) -> None:
    stderr_console().print(f"[dim]note:[/dim] {_one_line(escape(text))}")


def print_json(document: Any) -> None:
    """Exactly one JSON document, and nothing else, on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


@contextmanager
def progress_bar(total: int, quiet: bool) -> Iterator["Advance"]:
    """A bar on a terminal, nothing in a pipe, with --quiet, or for a single thing."""
    if quiet or total < 2 or not sys.stderr.isatty():
        yield Advance(None, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr_console(), transient=True) as progress:
        yield Advance(progress, progress.add_task("explaining", total=total))


class Advance:
    """Called with the number of things done."""

    def __init__(self, progress: Progress | None, task: Any) -> None:
        self._progress, self._task = progress, task

    def __call__(self, count: int = 1) -> None:
        if self._progress is not None:
            self._progress.advance(self._task, count)
