"""The progress bar, and how a line is printed while it stands on the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

_bars: "list[Progress]" = []


@contextmanager
def progress_bar(total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing in a pipe, with --quiet, or for a single thing; called with the number done."""
    if quiet or total < 2 or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(file=sys.stderr), transient=True,
                   redirect_stdout=False, redirect_stderr=False)
    _bars.append(bar)
    try:
        with bar:
            yield partial(bar.advance, bar.add_task("explaining", total=total))
    finally:
        _bars.remove(bar)


@contextmanager
def bar_aside() -> Iterator[None]:
    """Takes the bar off the terminal for as long as something else is written there."""
    for bar in _bars:
        bar.stop()
    try:
        yield
    finally:
        for bar in _bars:
            bar.start()
