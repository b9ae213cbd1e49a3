"""What a call of the command leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """Exit code and everything that was printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that a failing call says."""
        line, *more = self.err.split("\n")
        assert more == [""], self.err
        assert line.startswith("error: "), self.err
        return line.removeprefix("error: ")


Command = Callable[..., Outcome]
