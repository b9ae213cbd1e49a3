"""The folder that results go to: made and tried before any work, and what is in it already."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmx.errors import OutputError, shown_path
from mmx.methods import Method
from mmx.results import SCHEMA_VERSION
from mmx.show.saving import Drawing, page_path, sheet_paths

if TYPE_CHECKING:
    from mmx.model import Job, Model

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


def finished_files(model: "Model", job: "Job", stem: str, methods: Sequence[Method], out: Path,
                   drawing: Drawing, html: bool = False) -> list[Files] | None:
    """The files that answer this very question with this very model, or None if one of them is not there."""
    asked = json.loads(json.dumps(model.settled(job.asked).to_dict()))
    found: list[Files] = []
    missing, left_out = set(), dict[str, str]()
    for method in methods:
        name = f"{stem}.{method.name}"
        written = _answer(out / f"{name}.json", asked, job, model)
        pictures = [] if written is None else [out / one for one in drawing.names(name, len(written["items"]))]
        if written is None or not all(path.is_file() for path in pictures):
            missing.add(method.name)
            continue
        left_out |= written["left_out"]
        found.append((*pictures, out / f"{name}.json"))
    beside = [*(sheet_paths(out, stem, drawing) if len(found) > 1 else []), *([page_path(out, stem)] if html else [])]
    return found if found and missing <= set(left_out) and all(path.is_file() for path in beside) else None


def _answer(report: Path, asked: dict, job: "Job", model: "Model") -> Mapping[str, Any] | None:
    """What is written there, if that answers what is asked."""
    try:
        written = json.loads(report.read_text(encoding="utf-8"))
        same = (written["schema_version"] == SCHEMA_VERSION and written["asked"] == asked
                and written["question"] == job.asked.question
                and [one["sha256"] for one in written["images"]] == [job.picture.sha256]
                and written["model"]["revision"] == model.info.revision
                and written["model"]["dtype"] == model.info.dtype
                and isinstance(written["items"], list) and isinstance(written["left_out"], dict))
        return written if same else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
