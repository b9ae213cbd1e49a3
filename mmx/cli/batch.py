"""Runs what was asked for, some at a time. One request that fails is reported, and the others go on."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from mmx.cli.progress import progress_bar
from mmx.cli.report import BatchReport
from mmx.cli.requests import Request
from mmx.cli.results import Files, finished_files, refuse_replacing
from mmx.errors import Interrupted, MmxError, shown_path
from mmx.images import open_together, pixels_of
from mmx.methods import Method
from mmx.model import Job, Model
from mmx.results import Asked, Explanation, Subject
from mmx.show.saving import Drawing, save_explanation, save_page, save_sheet

Opened = tuple[Request, Job]


@dataclass(frozen=True)
class Batch:
    """How requests are answered, and where that is told. `asked` is asked of every picture; `html`: a page too."""

    model: Model
    methods: tuple[Method, ...]
    out: Path
    resume: bool
    overwrite: bool
    report: BatchReport
    asked: Asked = field(default_factory=Asked)
    max_memory: int | None = None
    html: bool = False
    drawing: Drawing = field(default_factory=Drawing)

    def run(self, requests: Sequence[Request], batch_size: int) -> None:
        """Raises UsageError where something else would be replaced, and Interrupted at Ctrl-C."""
        if not self.overwrite:
            refuse_replacing(self.out, self._subjects(requests), self.methods)
        done = 0
        try:
            with progress_bar(len(requests), self.report.quiet) as advance:
                waiting = iter(requests)
                for count in open_together((pixels_of(request.image) for request in requests), batch_size):
                    self._answer([*islice(waiting, count)])
                    done += count
                    advance(count)
        except KeyboardInterrupt as error:
            if not done:
                raise
            raise Interrupted(f"Interrupted; {done} of {len(requests)} are done, their files are in "
                              f"{shown_path(self.out)}.", "Go on with --resume.") from error

    def _answer(self, chunk: Sequence[Request]) -> None:
        """A chunk of which something is not there yet goes through the model as a whole, for the same digits."""
        opened = [(request, job) for request in chunk if (job := self._open(request)) is not None]
        there = {request: files for request, job in opened if (files := self._finished(request, job)) is not None}
        for request, files in there.items():
            self.report.skip(request, files)
        for (request, _), explanations in self._explained(opened) if len(there) < len(opened) else ():
            if request not in there:
                self._save(request, explanations)

    def _subjects(self, requests: Sequence[Request]) -> Iterator[tuple[str, Subject]]:
        """The stem and the subject of each, but of those that cannot be asked, which is told when they are."""
        for request in requests:
            with suppress(MmxError):
                asked = self.model.settled(self._asked(request))
                if (picture := request.hash()) is not None:
                    yield request.stem(asked), Subject.of(self.model.info, [picture], asked)

    def _asked(self, request: Request) -> Asked:
        return replace(self.asked, question=request.question, targets=request.targets)

    def _open(self, request: Request) -> Job | None:
        """None where it cannot be asked, which is reported."""
        try:
            job = Job(request.open(), self._asked(request))
            self.model.check(job.asked)
        except Exception as error:
            self.report.fail(request, error)
            return None
        return job

    def _finished(self, request: Request, job: Job) -> list[Files] | None:
        """What answers it, where that was written before and may be left as it is."""
        if not self.resume:
            return None
        asked = self.model.settled(job.asked)
        return finished_files(Subject.of(self.model.info, [job.picture.sha256], asked), request.stem(asked),
                              self.methods, self.out, self.drawing, self.html)

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
            stem = request.stem(explanations[0].asked)
            ours = self.overwrite or any((self.out / f"{stem}.{one.method}.json").is_file() for one in explanations)
            files = [save_explanation(one, self.out, stem, self.drawing, self.overwrite) for one in explanations]
            together = len(explanations) > 1 and self.drawing.kind == "sheet"
            sheet = save_sheet(explanations, self.out, stem, self.drawing, ours)[0] if together else None
            page = save_page(explanations, self.out, stem, self.drawing.look, ours) if self.html else None
        except Exception as error:
            self.report.fail(request, error)
            return
        self.report.add(explanations, files, sheet, page, said_before=self.model.warnings)
