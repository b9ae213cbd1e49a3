"""Runs what was asked for, some at a time. One request that fails is reported, and the others go on."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from mmx.cli.progress import progress_bar
from mmx.cli.report import BatchReport
from mmx.cli.requests import Request
from mmx.cli.results import Files, finished_files, refuse_replacing
from mmx.cli.saving import Saved, save_all
from mmx.cli.turns import Turns
from mmx.errors import Interrupted, MmxError, shown_path
from mmx.images import open_together
from mmx.methods import Method
from mmx.model import Job, Model
from mmx.results import Asked, Explanation, Picture, Subject
from mmx.show.saving import Drawing
from mmx.studies.world import World
from mmx.workers import Here

Opened = tuple[Request, Job]


@dataclass(frozen=True)
class Batch:
    """How requests are answered, and where that is told. `asked` is asked of every picture; `html`: a page too.

    `workers` open pictures and draw. Processes of a `world` take turns at what runs together, for the same digits.
    """

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
    workers: Here = field(default_factory=Here)
    world: World = field(default_factory=World)

    def run(self, requests: Sequence[Request], batch_size: int) -> None:
        """Raises UsageError where something else would be replaced, and Interrupted at Ctrl-C."""
        if not self.overwrite and any(self.out.glob("*.json")):
            refuse_replacing(self.out, self._subjects(requests), self.methods)
        counts = [*open_together((request.pixels for request in requests), batch_size)]
        own = sum(counts[self.world.rank::self.world.size])
        with progress_bar(own, self.report.quiet or not self.world.leads) as advance:
            turns = Turns(batch_size, advance)
            try:
                for chunk, pictures in self._chunks(requests, counts):
                    self._answer(chunk, pictures, turns)
                turns.finish()
            except KeyboardInterrupt as error:
                self.workers.close()
                if not turns.done:
                    raise
                raise Interrupted(f"Interrupted; {turns.done} of {own} are done, their files are in "
                                  f"{shown_path(self.out)}.", "Go on with --resume.") from error

    def _chunks(self, requests: Sequence[Request],
                counts: Sequence[int]) -> Iterator[tuple[list[Request], list[Future[tuple[Picture, ...]]]]]:
        """Requests that run together, with their pictures, which are opened while those before them run."""
        waiting, ahead = iter(requests), deque[tuple[list[Request], list[Future[tuple[Picture, ...]]]]]()
        for number, count in enumerate(counts):
            chunk = [*islice(waiting, count)]
            if number % self.world.size != self.world.rank:
                continue
            ahead.append((chunk, [self.workers.submit(Request.open_all, one, soon=True) for one in chunk]))
            if len(ahead) > self.workers.ahead:
                yield ahead.popleft()
        yield from ahead

    def _answer(self, chunk: Sequence[Request], pictures: Sequence[Future[tuple[Picture, ...]]], turns: Turns) -> None:
        """A chunk of which something is not there yet goes through the model as a whole, for the same digits."""
        opened = [(request, job) for request, picture in zip(chunk, pictures, strict=True)
                  if (job := self._open(request, picture, turns)) is not None]
        there = {request: files for request, job in opened if (files := self._finished(request, job)) is not None}
        for request, files in there.items():
            turns.add(partial(self.report.skip, request, files))
        for (request, _), explanations in self._explained(opened, turns) if len(there) < len(opened) else ():
            if request not in there:
                self._save(request, explanations, turns)

    def _subjects(self, requests: Sequence[Request]) -> Iterator[tuple[str, Subject]]:
        """The stem and the subject of each, but of those that cannot be asked, which is told when they are."""
        for request in requests:
            with suppress(MmxError):
                asked = self.model.settled(self._asked(request))
                if (pictures := request.hashes()) is not None:
                    yield request.stem(asked), Subject.of(self.model.info, pictures, asked)

    def _asked(self, request: Request) -> Asked:
        return replace(self.asked, question=request.question, targets=request.targets)

    def _open(self, request: Request, pictures: Future[tuple[Picture, ...]], turns: Turns) -> Job | None:
        """None where it cannot be asked, which is reported."""
        try:
            first, *others = pictures.result()
            job = Job(first, self._asked(request), tuple(others))
            self.model.check(job.asked)
        except Exception as error:
            turns.add(partial(self.report.fail, request, error))
            return None
        return job

    def _finished(self, request: Request, job: Job) -> list[Files] | None:
        """What answers it, where that was written before and may be left as it is."""
        if not self.resume:
            return None
        asked = self.model.settled(job.asked)
        subject = Subject.of(self.model.info, [one.sha256 for one in job.pictures], asked)
        return finished_files(subject, request.stem(asked), self.methods, self.out, self.drawing, self.html)

    def _explained(self, jobs: Sequence[Opened], turns: Turns) -> Iterator[tuple[Opened, list[Explanation]]]:
        """Where a batch fails as one, its jobs are tried one by one."""
        if not jobs:
            return
        try:
            found = self.model.explain_batch([job for _, job in jobs], self.methods, max_memory=self.max_memory)
        except Exception as error:
            if len(jobs) == 1:
                turns.add(partial(self.report.fail, jobs[0][0], error))
            for one in jobs if len(jobs) > 1 else ():
                yield from self._explained([one], turns)
            return
        yield from zip(jobs, found, strict=True)

    def _save(self, request: Request, explanations: Sequence[Explanation], turns: Turns) -> None:
        saved = self.workers.submit(save_all, explanations, self.out, request.stem(explanations[0].asked),
                                    self.drawing, self.html, self.overwrite)
        pixels = sum(width * height for width, height in (one.size for one in explanations[0].pictures))
        turns.add(partial(self._tell, request, explanations, saved, self.model.warnings), saved, pixels)

    def _tell(self, request: Request, explanations: Sequence[Explanation], saved: Future[Saved],
              said_before: Sequence[str]) -> None:
        try:
            files, sheet, page = saved.result()
        except Exception as error:
            self.report.fail(request, error)
            return
        self.report.add(explanations, files, sheet, page, said_before=said_before)
