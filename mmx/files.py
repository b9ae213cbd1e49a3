"""Files are written whole or not at all, and known by their content."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from errno import EISDIR
from functools import cache
from pathlib import Path
from uuid import uuid4

from mmx.errors import OutputError, UsageError, shown_path

_Stated = tuple[tuple[Path, int, int], ...]
_BLOCK, _BLOCKS = 2**20, 256


def hash_of_files(files: Iterable[Path], most: int | None = None) -> str:
    """ "sha256:..." over the names and bytes of files, in order of their paths.

    Args:
        most: bytes; of more than that in all, the sizes count, and 256 MiB that are spread over them evenly.
    """
    return _hash_of(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(set(files))), most)


@cache
def _hash_of(files: _Stated, most: int | None) -> str:
    """Weights have gigabytes: they are read again only where size or time changed."""
    if most is not None and sum(size for _, size, _ in files) > most:
        return _hash_of_blocks(files)
    total = hashlib.sha256()
    for path, *_ in files:
        total.update(path.name.encode(errors="surrogateescape"))
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def _hash_of_blocks(files: _Stated) -> str:
    total, whole = hashlib.sha256(), sum(size for _, size, _ in files)
    places, start = iter([number * (whole - _BLOCK) // (_BLOCKS - 1) for number in range(_BLOCKS)]), 0
    place = next(places, None)
    for path, size, _ in files:
        total.update(f"{path.name} {size}".encode(errors="surrogateescape"))
        if place is not None and place < start + size:
            with path.open("rb") as file:
                while place is not None and place < start + size:
                    file.seek(place - start)
                    total.update(file.read(_BLOCK))
                    place = next(places, None)
        start += size
    return f"sha256:{total.hexdigest()}"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes one file; a reader sees the old one or the new one, never a part. Raises OutputError."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Writes several files: none takes its name before all are on disk. Folders are made. Raises OutputError."""
    waiting = {path: path.with_name(f".mmx-{uuid4().hex}.tmp") for path in contents}
    try:
        for path, temporary in waiting.items():
            with _told(path):
                if path.is_dir():
                    raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(contents[path])
        for path, temporary in waiting.items():
            with _told(path):
                os.replace(temporary, path)
    finally:
        for temporary in waiting.values():
            _discard(temporary)


def write_new(contents: Mapping[Path, bytes], overwrite: bool = False) -> None:
    """Writes several files together, unless others lie where they go and are not to be overwritten.

    Raises:
        UsageError: others are there.
        OutputError: they cannot be written.
    """
    others = [] if overwrite else [path for path, content in contents.items()
                                   if path.is_file() and path.read_bytes() != content]
    if others:
        more = f" (and {len(others) - 1} more)" if others[1:] else ""
        raise UsageError(f"{shown_path(others[0])} is there already{more} and is another one.",
                         "Choose another folder with --out, or replace it (--overwrite, overwrite=True).")
    write_together(contents)


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
