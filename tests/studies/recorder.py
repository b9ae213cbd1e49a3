"""A reporter that remembers what it was told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Recorder:
    def __init__(self) -> None:
        self.total, self.done, self.lines = 0, 0, []

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[int], None]]:
        def advance(done: int) -> None:
            self.done += done

        self.total += total
        yield advance

    def line(self, kind: str, text: str) -> None:
        self.lines.append((kind, text))
