"""The folder that results go to: made and tried before any work, and what is in it already."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mmx.errors import OutputError, shown_path
from mmx.explainer import Model
from mmx.methods import Method
from mmx.render.documents import wanted_to_dict
from mmx.render.report import page_path, sheet_path
from mmx.tasks.base import Job, Target, targets_of
from mmx.tasks.image_classification import ImageClassification
from mmx.tasks.image_text_matching import ImageTextMatching
from mmx.tasks.object_detection import ObjectDetection
from mmx.types import SCHEMA_VERSION

Files = tuple[Path, Path]
"""A PNG and the JSON file beside it."""


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


def finished_files(model: Model, job: Job, stem: str, methods: Sequence[Method], out: Path,
                   html: bool = False) -> list[Files] | None:
    """The files that answer this very question with this very model, or None if one of them is not there."""
    found = [(out / f"{stem}.{method.name}.png", out / f"{stem}.{method.name}.json") for method in methods]
    beside = [*([sheet_path(out, stem)] if len(methods) > 1 else []), *([page_path(out, stem)] if html else [])]
    is_whole = all(path.is_file() for path in beside) and all(_answers(files, model, job) for files in found)
    return found if is_whole else None


def _answers(files: Files, model: Model, job: Job) -> bool:
    picture, report = files
    try:
        written = json.loads(report.read_text(encoding="utf-8"))
        return (picture.is_file() and written["schema_version"] == SCHEMA_VERSION
                and written["image"]["sha256"] == job.picture.sha256
                and written["model"]["revision"] == model.info.revision and written["dtype"] == model.info.dtype
                and _asks_the_same(written, model, job))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _asks_the_same(written: dict, model: Model, job: Job) -> bool:
    task = model.task
    if isinstance(task, ObjectDetection):
        return written["asked"] == wanted_to_dict(task.settled(job.wanted))
    if isinstance(task, ImageTextMatching | ImageClassification):
        starts = {**model.family.start_layers, **job.start_layers}
        return written["start_layers"] == starts and _maps_the_same(written, task, job)
    return (written["question"] == job.question and written["region_provider"] == model.region_provider.name
            and _explains(written, job.target))


def _maps_the_same(written: dict, task: ImageTextMatching | ImageClassification, job: Job) -> bool:
    if isinstance(task, ImageTextMatching):
        return [one["text"] for one in written["texts"]] == list(job.texts)
    return [one["index"] for one in written["classes"]] == task.indices(job.target, written["predictions"][0]["index"])


def _explains(written: dict, target: Target) -> bool:
    explained = written["target"]
    if not targets_of(target):
        return explained["index"] == written["predictions"][0]["index"]
    (target,) = targets_of(target)
    return str(target).strip().lower() in (explained["label"].lower(), str(explained["index"]))
