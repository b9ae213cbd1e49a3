"""What becomes of requests is told in their order, while later ones are under way."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from mmx.images import PIXELS_AT_ONCE


class Turns:
    """At most `most` wait to be told, with `PIXELS_AT_ONCE` in all, or else one.

    Args:
        advance: is called with how many more were told.
    """

    def __init__(self, most: int, advance: Callable[[int], None]) -> None:
        self._most, self._advance = most, advance
        self._waiting: deque[tuple[Callable[[], None], Future | None, int]] = deque()
        self._told = 0

    def add(self, tell: Callable[[], None], outcome: Future | None = None, pixels: int = 0) -> None:
        """The next one; it is told when its outcome is there, where it waits for any."""
        self._waiting.append((tell, outcome, pixels))
        while self._waiting and (self._is_full() or _is_there(self._waiting[0][1])):
            self._tell()

    def finish(self) -> None:
        """All that wait are told."""
        while self._waiting:
            self._tell()

    @property
    def done(self) -> int:
        """How many were told, or could be."""
        return self._told + sum(_is_there(outcome) for _, outcome, _ in self._waiting)

    def _is_full(self) -> bool:
        pixels = sum(pixels for _, _, pixels in self._waiting)
        return len(self._waiting) > self._most or (len(self._waiting) > 1 and pixels > PIXELS_AT_ONCE)

    def _tell(self) -> None:
        tell, outcome, _ = self._waiting[0]
        if outcome is not None:
            outcome.exception()  # waits; the error is what `tell` is about
        self._waiting.popleft()
        self._told += 1
        tell()
        self._advance(1)


def _is_there(outcome: Future | None) -> bool:
    return outcome is None or (outcome.done() and not outcome.cancelled())
