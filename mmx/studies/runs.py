"""Long runs on disk: a JSON line for each sample at once, gone on with after a kill, shared out among processes.

A run's folder holds `run.json`, its parameters, and `records.<rank>-of-<size>.jsonl`, one file for each process.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from mmx.errors import OutputError, UsageError, shown_path
from mmx.files import write_atomically
from mmx.schema import SCHEMA_VERSION
from mmx.studies.reporting import Reporter
from mmx.studies.world import World

Record = dict[str, Any]
"""Plain values: "id", and what was found, or else "error"."""
Sample = TypeVar("Sample")
Numbered = tuple[int, Sample]
"""The id of a sample's record, and the sample."""


@contextmanager
def study_folder(out: str | Path | None, world: World, *, resume: bool) -> Iterator[Path]:
    """The folder `out`, or a temporary one that is gone afterwards. Raises UsageError where that cannot do."""
    if out is not None:
        yield Path(out)
        return
    if resume or world.size > 1:
        raise UsageError("A run in a temporary folder cannot be gone on with or shared.", "Name a folder with out.")
    with TemporaryDirectory(prefix="mmx-") as folder:
        yield Path(folder)


class Run:
    """The records of one run, by id; opened by `open_run`."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.done = set(_places(folder))

    def append(self, record: Record) -> None:
        """Writes one record, with an "id", to disk at once."""
        path = self.folder / f"records.{self.world.rank}-of-{self.world.size}.jsonl"
        line = json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n"
        try:
            _drop_torn_line(path)
            with path.open("ab") as file:
                file.write(line.encode())
        except OSError as error:
            raise OutputError(f"{shown_path(path)} cannot be written: {error.strerror}.",
                              "Make room, then go on with --resume.") from error

    def records(self, failed: bool = False) -> Iterator[Record]:
        """Of all processes, in order of id, read one by one: those that hold a result, or else an "error"."""
        places = _places(self.folder, failed)
        for _, (path, offset) in sorted(places.items()):
            with path.open("rb") as file:
                file.seek(offset)
                yield json.loads(file.readline())


def open_run(folder: Path, parameters: Record, world: World, *, resume: bool) -> Run:
    """Begins a run in `folder`, or with `resume` goes on with the one that is there.

    Raises:
        UsageError: the run that is there had other parameters.
    """
    parameters = {"schema_version": SCHEMA_VERSION, **parameters}
    if world.leads:
        path = folder / "run.json"
        if resume and path.is_file():
            _check_same(_read(path), json.loads(json.dumps(parameters)), folder)
        else:
            for old in [*_shards(folder), folder / "summary.json", folder / "summary.csv"]:
                old.unlink(missing_ok=True)
            write_atomically(path, (json.dumps(parameters, indent=2) + "\n").encode())
    world.wait()
    run = Run(folder, world)
    world.wait()  # nobody writes while somebody still reads what is done
    return run


def go_through(run: Run, groups: Sequence[Sequence[Numbered[Sample]]],
               records: Callable[[Sequence[Numbered[Sample]]], Iterable[Record]], reporter: Reporter,
               seen: Callable[[Record], None] = lambda record: None) -> None:
    """Puts down the records of this process's share of the groups, those that are not done yet.

    A group of which a sample is not done yet goes through the model as a whole, for the same digits.

    Args:
        records: of the samples of a group, one each.
        seen: called with every record that was made.
    """
    mine = groups[run.world.rank::run.world.size]
    left = [group for group in mine if any(number not in run.done for number, _ in group)]
    with reporter.progress(sum(map(len, left))) as advance:
        for group in left:
            for record in records(group):
                if "error" in record:
                    named = f"{record['sample']}: " if "sample" in record else ""
                    reporter.line("error", f"{named}{record['error']}")
                seen(record)
                if record["id"] not in run.done:
                    run.append(record)
            advance(len(group))
    run.world.wait()


def _check_same(before: Record, now: Record, folder: Path) -> None:
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            raise UsageError(f"The run in {shown_path(folder)} had {name} {json.dumps(before.get(name))}, "
                             f"not {json.dumps(now.get(name))}.",
                             "Go on with the same, or choose another folder with --out.")


def _read(path: Path) -> Record:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown_path(path)} cannot be read.", "Choose another folder with --out.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{shown_path(path)} is not mmx's.", "Choose another folder with --out.")
    return found


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("records.*-of-*.jsonl"))


def _places(folder: Path, failed: bool = False) -> dict[int, tuple[Path, int]]:
    """File and offset of the record of each id. One that failed and went well later counts as done."""
    found: dict[bool, dict[int, tuple[Path, int]]] = {True: {}, False: {}}
    for path in _shards(folder):
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    record = _parsed(line, path, number)
                    found["error" in record][record["id"]] = (path, offset)
                offset += len(line)
    return {key: place for key, place in found[failed].items() if not failed or key not in found[False]}


def _parsed(line: bytes, path: Path, number: int) -> Record:
    try:
        record = json.loads(line)
        record["id"] + 0
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{shown_path(path)}, line {number}, is broken.",
                         "Take that line out, or begin anew without --resume.") from error
    return record


def _drop_torn_line(path: Path) -> None:
    """What a kill left behind the last line break."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
