"""What `mmx explain` does between its options and its output."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mmx.catalog import DEFAULT_MODEL, FOR_PHOTOGRAPHS, default_model
from mmx.cli.output import print_note, progress_bar
from mmx.cli.report import BatchReport
from mmx.datasets.questions import read_questions
from mmx.errors import MmxError, OutputError, UsageError
from mmx.explainer import Job, Model, load
from mmx.images import open_picture
from mmx.methods import Method


@dataclass(frozen=True)
class Request:
    """One picture and question as asked for, and the stem of the files that answer it."""

    image: str
    question: str
    target: str | None
    stem: str


def gather_requests(images: Sequence[str], question: str | None, questions: Path | None, images_dir: Path | None,
                    target: str | None) -> list[Request]:
    """The requests of a command line, in order, with a stem of its own for each."""
    if questions is not None:
        if images or question is not None:
            raise UsageError("--questions takes the place of IMAGE and --question.", "Give one or the other.")
        rows = read_questions(questions, images_dir)
        asked = [("" if row.image == Path() else str(row.image), row.question, row.target if row.target is not None else target, row.id)
                 for row in rows]
    else:
        if not images:
            raise UsageError("No picture was given.", "mmx explain IMAGE --question TEXT, or --questions FILE.")
        if question is None or not question.strip():
            raise UsageError("No question was given." if question is None else "The question is empty.",
                             'Add --question "...".')
        asked = [(image, question, target, None) for image in images]
    stems = _stems([row_id or Path(image).stem for image, _, _, row_id in asked])
    return [Request(image, text, goal, stem) for (image, text, goal, _), stem in zip(asked, stems, strict=True)]


def _stems(names: Sequence[str]) -> list[str]:
    """File names of their own: a name that several requests share gets their number as well."""
    clean = ["".join(c if c.isalnum() or c in "-_. " else "_" for c in name).strip(". ")[:120] or "picture"
             for name in names]
    shared = Counter(name.lower() for name in clean)
    return [name if shared[name.lower()] == 1 else f"{name}-{number}" for number, name in enumerate(clean, 1)]


def prepare_folder(folder: Path) -> None:
    """Makes the output folder and makes sure, before any work, that it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"Nothing can be written to {folder}: {error.strerror or error}.",
                          "Choose another folder with --out.") from error


def open_model(name: str | None, revision: str | None, regions: str | None, device: str, dtype: str,
               quiet: bool) -> Model:
    """The model that was asked for, or the default one, which is then named on stderr."""
    chosen, origin = (name, "--model") if name else default_model(typer.get_app_dir("mmx"))
    if not quiet and origin is None:
        print_note(f"using {DEFAULT_MODEL}, which ships with mmx and knows drawn shapes only; "
                   f"for photographs: --model {FOR_PHOTOGRAPHS}")
    elif not quiet and origin != "--model":
        print_note(f"using {chosen}, as {origin} says")
    model = load(chosen, device, dtype, revision=revision, regions=parse_regions(regions))
    if not quiet:
        for warning in model.warnings:
            print_note(warning)
    return model


def parse_regions(text: str | None) -> dict[str, Any] | None:
    """ "grid" or "grid:6x8" as a region provider's options."""
    if text is None:
        return None
    kind, _, size = text.partition(":")
    if kind != "grid":
        raise UsageError(f"--regions '{text}' is not known.", "Give 'grid' or 'grid:ROWSxCOLUMNS'.")
    if not size:
        return {"provider": "grid"}
    rows, _, columns = size.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and 1 <= int(rows) <= 64 and 1 <= int(columns) <= 64):
        raise UsageError(f"--regions '{text}' has no size.", "Write it as grid:6x8, each from 1 to 64.")
    return {"provider": "grid", "rows": int(rows), "columns": int(columns)}


def explain_all(model: Model, requests: Sequence[Request], methods: Sequence[Method], out: Path, batch_size: int,
                resume: bool, report: BatchReport) -> None:
    """Runs the requests in batches. One that fails is reported, and the others go on."""
    with progress_bar(len(requests), report.quiet) as advance:
        for start in range(0, len(requests), batch_size):
            chunk = requests[start:start + batch_size]
            jobs = [(request, job) for request in chunk if (job := _open(model, request, report)) is not None]
            if resume:
                jobs = [(request, job) for request, job in jobs
                        if not _is_done(model, job, request.stem, methods, out)]
            for request, job, explanations in _explained(model, jobs, methods, report):
                try:
                    files = [explanation.save(out, request.stem) for explanation in explanations]
                    report.add(job, explanations, files, said_before=model.warnings)
                except OutputError as error:
                    report.fail(request.image, request.question, error)
            advance(len(chunk))


def _open(model: Model, request: Request, report: BatchReport) -> Job | None:
    try:
        if not request.image:
            raise MmxError(f"The question '{request.question}' has no picture.", "Fill in its column image.")
        job = Job(open_picture(request.image), request.question, request.target)
        model.check(job)
    except MmxError as error:
        if isinstance(error, UsageError) and not report.many:
            raise
        report.fail(request.image, request.question, error)
        return None
    return job


def _explained(model: Model, jobs: list, methods: Sequence[Method], report: BatchReport) -> Iterator[tuple]:
    """Explanations of a batch; where a batch fails as one, its jobs are tried one by one."""
    try:
        found = model.explain_batch([job for _, job in jobs], methods) if jobs else []
    except (MmxError, RuntimeError) as error:
        if len(jobs) > 1:
            for pair in jobs:
                yield from _explained(model, [pair], methods, report)
            return
        request, _ = jobs[0]
        cause = error if isinstance(error, MmxError) else MmxError(f"{type(error).__name__}: {error}")
        report.fail(request.image, request.question, cause)
        return
    for (request, job), explanations in zip(jobs, found, strict=True):
        yield request, job, explanations


def _is_done(model: Model, job: Job, stem: str, methods: Sequence[Method], out: Path) -> bool:
    """Whether files are there that say they answer this very question, with this very model."""
    for method in methods:
        path = out / f"{stem}.{method.name}.json"
        try:
            written = json.loads(path.read_text(encoding="utf-8"))
            same = (written["image"]["sha256"] == job.picture.sha256 and written["question"] == job.question
                    and written["model"]["revision"] == model.info.revision and path.with_suffix(".png").is_file()
                    and (job.target is None or str(job.target).lower() in
                         (str(written["target"]["index"]), written["target"]["label"].lower())))
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not same:
            return False
    return True
