"""Errors that a user can act on: one sentence that names what is wrong, and one that says the way out."""

from pathlib import Path


def shown_path(path: str | Path) -> str:
    """The path as it may stand in a one-line message: escaped if it holds line breaks or undecodable bytes."""
    return str(path) if str(path).isprintable() else ascii(str(path))


class MmxError(Exception):
    """Something could not be done. The command line prints it in one line and exits with 1."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message} {hint}" if hint else message)
        self.message, self.hint = message, hint


class UsageError(MmxError):
    """What was asked for makes no sense as asked: an unknown name, an empty question. Exit code 2."""

    exit_code = 2


class ImageError(MmxError):
    """A picture cannot be read."""


class CheckpointError(MmxError):
    """A checkpoint cannot be found, read or used."""


class CaptureError(MmxError):
    """A captured attention map is not what its site promises."""


class OutputError(MmxError):
    """A result cannot be written."""
