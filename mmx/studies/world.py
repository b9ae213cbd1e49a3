"""The processes that share a study, as `torchrun` starts them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from mmx.errors import UsageError

_LONGEST_WAIT = timedelta(days=14)
_MOST_THREADS = 4  # one picture hardly gains by more, and processes leave room for each other
T = TypeVar("T")

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

    def gathered(self, own: T) -> list[T]:
        """What each process has, by rank; it must be such as can be pickled. Waits until every process is here."""
        if self.size == 1:
            return [own]
        import torch.distributed

        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, own)
        return found

    def device(self, asked: str) -> str:
        """The device that was asked for; each process of a machine takes a GPU of its own."""
        import torch

        if self.size > 1 and asked in ("auto", "cuda") and torch.cuda.is_available():
            return f"cuda:{self.local_rank % torch.cuda.device_count()}"
        return asked


@contextmanager
def joined_world() -> Iterator[World]:
    """The processes that `torchrun` started together, or this one alone. May be entered again within."""
    world = world_of(os.environ)
    if world.size == 1:
        yield world
        return
    import torch.distributed

    if torch.distributed.is_initialized():
        yield world
        return
    torch.distributed.init_process_group("gloo", timeout=_LONGEST_WAIT)
    try:
        yield world
    finally:
        torch.distributed.destroy_process_group()


def world_of(environment: Mapping[str, str]) -> World:
    """Out of RANK, WORLD_SIZE and LOCAL_RANK. Raises UsageError where they do not fit."""
    try:
        world = World(*(int(environment.get(name, default)) for name, default in
                        (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))))
    except ValueError as error:
        raise UsageError("RANK, WORLD_SIZE or LOCAL_RANK is no number.", _START) from error
    if world.size > 1 and not ("RANK" in environment and 0 <= world.rank < world.size):
        raise UsageError(f"WORLD_SIZE is {world.size}, but RANK does not fit it.", _START)
    return world


def fix_threads(world: World) -> int:
    """Sets how many threads PyTorch computes with on the CPU, and returns it: the digits of results depend on it.

    It is the same in a run by itself and in one that is shared out, where `torchrun` would have it be 1.
    """
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "")
    set_by_torchrun = world.size > 1 and asked == "1"
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = int(asked) if asked.isdecimal() and int(asked) and not set_by_torchrun else min(_MOST_THREADS, there)
    torch.set_num_threads(threads)
    return threads
