"""Files are written whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from mmx.errors import OutputError


def write_atomically(path: Path, content: bytes) -> None:
    """Writes one file; a reader sees the old one or the new one, never a part. Raises OutputError."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Writes several files: none takes its name before all are on disk. Folders are made. Raises OutputError."""
    waiting = {path: path.with_name(f".mmx-{uuid4().hex}.tmp") for path in contents}
    try:
        for path, temporary in waiting.items():
            with _told(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(contents[path])
        for path, temporary in waiting.items():
            with _told(path):
                os.replace(temporary, path)
    finally:
        for temporary in waiting.values():
            _discard(temporary)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise _output_error(path, error) from error


def _discard(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except (OSError, ValueError):
        return  # its folder cannot be reached: nothing was written there


def _output_error(path: Path, error: OSError | ValueError) -> OutputError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    if isinstance(error, FileExistsError):
        reason = "that is a file, not a folder"
    return OutputError(
        f"Cannot write '{path.name}' into the folder '{path.parent}': {reason}.",
        "Choose another folder, or make room and allow writing there.",
    )
