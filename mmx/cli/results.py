"""The folder that results go to: made and tried before any work, and what is in it already."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmx.errors import OutputError, shown_path
from mmx.methods import Method, all_methods
from mmx.results import Subject
from mmx.show.saving import Drawing, other_subject, page_path, replaces, sheet_paths

Files = tuple[Path, ...]
"""Pictures, and the JSON file beside them."""


@contextmanager
def result_folder(folder: Path) -> Iterator[None]:
    """Makes the folder, and makes sure that it can be written to. One that stays empty is taken away again."""
    was_there = os.path.isdir(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".mmx-"):
            pass
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else error.strerror or str(error)
        raise OutputError(f"Nothing can be written to {shown_path(folder)}: {reason}.",
                          "Choose another folder with --out.") from error
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()


def finished_files(subject: Subject, stem: str, methods: Sequence[Method], out: Path, drawing: Drawing,
                   html: bool = False) -> list[Files] | None:
    """The files that are of this very subject, or None if one of them is not there."""
    found: list[Files] = []
    missing, left_out = set(), dict[str, str]()
    for method in methods:
        name = f"{stem}.{method.name}"
        written = _answer(out / f"{name}.json", subject)
        pictures = [] if written is None else [out / one for one in drawing.names(name, len(written["items"]))]
        if written is None or not all(path.is_file() for path in pictures):
            missing.add(method.name)
            continue
        left_out |= written["left_out"]
        found.append((*pictures, out / f"{name}.json"))
    beside = [*(sheet_paths(out, stem, drawing) if len(found) > 1 else []), *([page_path(out, stem)] if html else [])]
    return found if found and missing <= set(left_out) and all(path.is_file() for path in beside) else None


def refuse_replacing(out: Path, subjects: Iterable[tuple[str, Subject]], methods: Sequence[Method]) -> None:
    """Raises UsageError where files of one of these stems, by whatever method, are of something else."""
    names = sorted({method.name for method in (*all_methods(), *methods)})
    there = ((report, subject) for stem, subject in subjects for name in names
             if (report := out / f"{stem}.{name}.json").is_file())
    others = [(report, what) for report, subject in there if (what := other_subject(report, subject)) is not None]
    if others:
        raise replaces(*others[0], len(others) - 1)


def _answer(report: Path, subject: Subject) -> Mapping[str, Any] | None:
    """What is written there, if that is of the subject."""
    try:
        written = json.loads(report.read_text(encoding="utf-8"))
        same = (Subject.read(written) == subject and isinstance(written["items"], list)
                and isinstance(written["left_out"], dict))
        return written if same else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
