"""Long runs on disk: a JSON line for each sample at once, gone on with after a kill, shared out among processes.

A run's folder holds `run.json`, its parameters, and `records.<rank>-of-<size>.jsonl`, one file for each process.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmx.errors import Interrupted, MmxError, OutputError, UsageError, shown_path
from mmx.files import write_atomically
from mmx.results import changed_in_revision
from mmx.schema import SCHEMA_VERSION
from mmx.studies.folders import PARAMETERS, SUMMARY, TABLE, refuse_replacing, shards
from mmx.studies.reporting import Reporter
from mmx.studies.world import World

Record = dict[str, Any]
"""Plain values: "id", and what was found, or else "error"."""
Sample = TypeVar("Sample")
Numbered = tuple[int, Sample]
"""The id of a sample's record, and the sample."""
Fault = Callable[[Record], str | None]
"""What is wrong with a record, None where it can be of this run."""


class Run:
    """The records of one run, by id; opened by `open_run`.

    Raises:
        UsageError: a line is no record of it.
    """

    def __init__(self, folder: Path, world: World, fault: Fault = lambda record: None) -> None:
        self.folder, self.world, self.fault = folder, world, fault
        self.done = set(_places(folder, fault))

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
                              "Make room, then go on with `resume=True`.") from error

    def records(self, failed: bool = False) -> Iterator[Record]:
        """Of all processes, in order of id, read one by one: those that hold a result, or else an "error"."""
        places = _places(self.folder, self.fault, failed)
        for _, (path, offset) in sorted(places.items()):
            with path.open("rb") as file:
                file.seek(offset)
                yield json.loads(file.readline())


def open_run(folder: Path, parameters: Record, world: World, *, resume: bool, overwrite: bool = False,
             fault: Fault = lambda record: None, picture: Callable[[Record], str | None] | None = None) -> Run:
    """Begins a run in `folder`, with `resume` goes on with the one that is there, with `overwrite` replaces it.

    Args:
        picture: the hash of a record's picture as it is now, None where it cannot be read; compared with "image_hash".

    Raises:
        UsageError: a run is there, and neither is asked for; or it had other parameters or pictures, or its records
            are none of this run's.
    """
    parameters = {"schema_version": SCHEMA_VERSION, **parameters}
    if world.leads:
        refuse_replacing(folder, resume=resume, overwrite=overwrite)
        path = folder / PARAMETERS
        if resume and path.is_file():
            _check_same(_read(path), json.loads(json.dumps(parameters)), folder)
            if picture is not None:
                _check_pictures(Run(folder, world, fault), picture)
        else:
            for old in [*shards(folder), folder / SUMMARY, folder / TABLE]:
                old.unlink(missing_ok=True)
            write_atomically(path, (json.dumps(parameters, indent=2) + "\n").encode())
    world.wait()
    run = Run(folder, world, fault)
    world.wait()  # nobody writes while somebody still reads what is done
    return run


def go_through(run: Run, groups: Sequence[Sequence[Numbered[Sample]]],
               records: Callable[[Sequence[Numbered[Sample]]], Iterable[Record]],
               failed: Callable[[Numbered[Sample], str], Record], reporter: Reporter,
               seen: Callable[[Record], None] = lambda record: None) -> None:
    """Puts down the records of this process's share of the groups, those that are not done yet.

    A group of which a sample is not done yet goes through the model as a whole, for the same digits. Where that fails,
    its samples go through one by one.

    Args:
        records: of the samples of a group, one each.
        failed: the record of a sample that cannot be used, for that reason.
        seen: called with every record that was made.

    Raises:
        Interrupted: Ctrl-C was pressed; what is done is kept.
    """
    mine = groups[run.world.rank::run.world.size]
    left = [group for group in mine if any(number not in run.done for number, _ in group)]
    done = {number for group in mine for number, _ in group if number in run.done}
    try:
        with reporter.progress(sum(map(len, left))) as advance:
            for group in left:
                for record in _records_of(group, records, failed):
                    if "error" in record:
                        named = f"{record['sample']}: " if "sample" in record else ""
                        reporter.line("error", f"{named}{record['error']}")
                    seen(record)
                    if record["id"] not in run.done:
                        run.append(record)
                        done.add(record["id"])
                advance(len(group))
    except KeyboardInterrupt as error:
        raise Interrupted(f"Interrupted; {len(done)} of {sum(map(len, mine))} records are kept in "
                          f"{shown_path(run.folder)}.", "Go on with `resume=True`.") from error
    run.world.wait()


def _records_of(group: Sequence[Numbered[Sample]],
                records: Callable[[Sequence[Numbered[Sample]]], Iterable[Record]],
                failed: Callable[[Numbered[Sample], str], Record]) -> list[Record]:
    """What no other sample could do better ends the run."""
    try:
        return list(records(group))
    except (UsageError, OutputError):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, MmxError) else f"{type(error).__name__}: {error}"
    if len(group) == 1:
        return [failed(group[0], " ".join(reason.split()))]
    return [record for one in group for record in _records_of([one], records, failed)]


def _check_same(before: Record, now: Record, folder: Path) -> None:
    named = _first_difference(before, now)
    if named is None:
        return
    name, old, new = named
    what = changed_in_revision(old, new) if name == "model revision" and isinstance(old, str) else None
    what = what or f"{name} {json.dumps(old)}, not {json.dumps(new)}"
    raise UsageError(f"The run in {shown_path(folder)} had {what}.",
                     "Go on with the same, or choose another folder with `out=`.")


def _first_difference(before: Record, now: Record, inside: str = "") -> tuple[str, Any, Any] | None:
    """Where two runs differ first, "model dtype", and the value of each."""
    for name in [*now, *before]:
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if (found := _first_difference(old, new, f"{inside}{name} ")) is not None:
                return found
        elif old != new:
            return f"{inside}{name}", old, new
    return None


def _read(path: Path) -> Record:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{shown_path(path)} cannot be read.", "Choose another folder with `out=`.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{shown_path(path)} is not mmx's.", "Choose another folder with `out=`.")
    return found


def _check_pictures(run: Run, picture: Callable[[Record], str | None]) -> None:
    changed = [record["id"] for record in run.records() if picture(record) not in (None, record["image_hash"])]
    if changed:
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        raise UsageError(f"The picture or the features of sample {changed[0]}{more} are no longer what they were when "
                         f"the run in {shown_path(run.folder)} began.",
                         "Put them back, or begin anew with `overwrite=True` or in another folder.")


def _places(folder: Path, fault: Fault, failed: bool = False) -> dict[int, tuple[Path, int]]:
    """File and offset of the record of each id. One that failed and went well later counts as done."""
    found: dict[bool, dict[int, tuple[Path, int]]] = {True: {}, False: {}}
    for path in shards(folder):
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    key, is_error = _checked(line, fault, found[False], f"{shown_path(path)}, line {number}")
                    found[is_error][key] = (path, offset)
                offset += len(line)
    return {key: place for key, place in found[failed].items() if not failed or key not in found[False]}


def _checked(line: bytes, fault: Fault, done: Iterable[int], place: str) -> tuple[int, bool]:
    """A record's id, and whether it is of a failure. Raises UsageError where it is no record of the run."""
    record: Any
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = "no JSON"
    try:
        wrong = _wrong(record, fault, done)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        wrong = f"it lacks {error}" if isinstance(error, KeyError) else "its values are of another kind"
    if wrong is not None:
        raise UsageError(f"{place}, is no record of this run: {wrong}.",
                         "Take that line out and go on with `resume=True`, or begin anew with `overwrite=True`.")
    return record["id"], "error" in record


def _wrong(record: Any, fault: Fault, done: Iterable[int]) -> str | None:
    if not isinstance(record, dict):
        return "it is no JSON object"
    if type(record.get("id")) is not int:
        return "it has no id that is a whole number"
    if "error" in record:
        return None if isinstance(record["error"], str) else "its error is no text"
    return f"there is another one of {record['id']}" if record["id"] in done else fault(record)


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
