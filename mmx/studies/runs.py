"""Long runs on disk: a JSON line for each sample at once, gone on with after a kill, shared out among processes.

A run's folder holds `run.json`, its parameters, and `records.<rank>-of-<size>.jsonl`, one file for each process.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mmx.errors import OutputError, UsageError, shown_path
from mmx.render.files import write_atomically

Record = dict[str, Any]

_LONGEST_WAIT = timedelta(days=14)
_MOST_THREADS = 4  # one picture hardly gains by more, and processes leave room for each other
_START = "Start with torchrun, or unset them."


@dataclass(frozen=True)
class World:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            import torch.distributed

            torch.distributed.barrier()


def fix_threads(world: World) -> int:
    """Sets how many threads PyTorch computes with on the CPU, and returns it: the digits of results hang on it.

    It is the same in a run by itself and in one that is shared out, where `torchrun` would have it be 1.
    """
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "")
    set_by_torchrun = world.size > 1 and asked == "1"
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = int(asked) if asked.isdecimal() and int(asked) and not set_by_torchrun else min(_MOST_THREADS, there)
    torch.set_num_threads(threads)
    return threads


@contextmanager
def joined_world() -> Iterator[World]:
    """The processes that `torchrun` started together, or this one alone."""
    world = _world_of(os.environ)
    if world.size == 1:
        yield world
        return
    import torch.distributed

    torch.distributed.init_process_group("gloo", timeout=_LONGEST_WAIT)
    try:
        yield world
    finally:
        torch.distributed.destroy_process_group()


def _world_of(environment: Any) -> World:
    try:
        world = World(*(int(environment.get(name, default)) for name, default in
                        (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))))
    except ValueError as error:
        raise UsageError("RANK, WORLD_SIZE or LOCAL_RANK is no number.", _START) from error
    if world.size > 1 and not ("RANK" in environment and 0 <= world.rank < world.size):
        raise UsageError(f"WORLD_SIZE is {world.size}, but RANK does not fit it.", _START)
    return world


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
    if world.leads:
        path = folder / "run.json"
        if resume and path.is_file():
            _check_same(_read(path), json.loads(json.dumps(parameters)), folder)
        else:
            for old in [*_shards(folder), folder / "summary.json"]:
                old.unlink(missing_ok=True)
            write_atomically(path, (json.dumps(parameters, indent=2) + "\n").encode())
    world.wait()
    run = Run(folder, world)
    world.wait()  # nobody writes while somebody still reads what is done
    return run


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
