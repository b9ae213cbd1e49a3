"""Runs what was asked for, some at a time. One request that fails is reported, and the others go on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmx.cli.progress import progress_bar
from mmx.cli.report import BatchReport
from mmx.cli.requests import Request
from mmx.cli.results import finished_files
from mmx.methods import Method
from mmx.model import Job, Model
from mmx.results import Asked, Explanation
from mmx.show.saving import Drawing, save_explanation, save_page, save_sheet

Opened = tuple[Request, Job]


@dataclass(frozen=True)
class Batch:
    """How requests are answered, and where that is told. `asked` is asked of every picture; `html`: a page too."""

    model: Model
    methods: tuple[Method, ...]
    out: Path
    resume: bool
    report: BatchReport
    asked: Asked = field(default_factory=Asked)
    max_memory: int | None = None
    html: bool = False
    drawing: Drawing = field(default_factory=Drawing)

    def run(self, requests: Sequence[Request], batch_size: int) -> None:
        with progress_bar(len(requests), self.report.quiet) as advance:
            for start in range(0, len(requests), batch_size):
                chunk = requests[start:start + batch_size]
                jobs = [(request, job) for request in chunk if (job := self._open(request)) is not None]
                for (request, _), explanations in self._explained(jobs):
                    self._save(request, explanations)
                advance(len(chunk))

    def _open(self, request: Request) -> Job | None:
        """None where it cannot be asked, or was answered before; both are reported."""
        try:
            picture = request.open()
            asked = replace(self.asked, question=request.question, targets=request.targets)
            self.model.check(asked)
            job = Job(picture, asked)
        except Exception as error:
            self.report.fail(request, error)
            return None
        done = finished_files(self.model, job, request.stem, self.methods, self.out, self.drawing,
                              self.html) if self.resume else None
        if done is None:
            return job
        self.report.skip(request, done)
        return None

    def _explained(self, jobs: Sequence[Opened]) -> Iterator[tuple[Opened, list[Explanation]]]:
        """Where a batch fails as one, its jobs are tried one by one."""
        if not jobs:
            return
        try:
            found = self.model.explain_batch([job for _, job in jobs], self.methods, max_memory=self.max_memory)
        except Exception as error:
            if len(jobs) == 1:
                self.report.fail(jobs[0][0], error)
            for one in jobs if len(jobs) > 1 else ():
                yield from self._explained([one])
            return
        yield from zip(jobs, found, strict=True)

    def _save(self, request: Request, explanations: Sequence[Explanation]) -> None:
        try:
            files = [save_explanation(one, self.out, request.stem, self.drawing) for one in explanations]
            together = len(explanations) > 1 and self.drawing.kind == "sheet"
            sheet = save_sheet(explanations, self.out, request.stem, self.drawing)[0] if together else None
            page = save_page(explanations, self.out, request.stem, self.drawing.look) if self.html else None
        except Exception as error:
            self.report.fail(request, error)
            return
        self.report.add(explanations, files, sheet, page, said_before=self.model.warnings)
