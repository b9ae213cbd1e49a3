"""Timing things against each other, interleaved, so that a busy machine slows them alike."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import torch

from mmx.bench.memory import peak_bytes
from mmx.errors import MmxError


@dataclass(frozen=True)
class Measured:
    """Seconds of one task at every round, and the most bytes that it held at a time, None where that was not asked."""

    seconds: tuple[float, ...]
    peak_bytes: int | None = None

    @property
    def least(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass
class Run:
    """What one interleaved run measured, and why some tasks could not run."""

    measured: dict[str, Measured] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def interleaved(tasks: Mapping[str, Callable[[], object]], rounds: int, device: str = "cpu", *,
                memory: bool = True) -> Run:
    """Every round runs all tasks once, after a warm-up in which memory is counted. Tasks that fail there are left out.
    """
    run = Run()
    peaks: dict[str, int | None] = {}
    for name, task in tasks.items():
        try:
            if device.startswith("cuda"):
                task()  # what libraries keep from their first call on is not the task's
            peaks[name] = peak_bytes(task, device) if memory else None
            if not memory:
                task()
        except (MmxError, torch.OutOfMemoryError) as error:
            run.failed[name] = str(error).partition("\n")[0]
    seconds: dict[str, list[float]] = {name: [] for name in peaks}
    for _ in range(rounds):
        for name, taken in seconds.items():
            taken.append(_seconds(tasks[name], device))
    run.measured = {name: Measured(tuple(taken), peaks[name]) for name, taken in seconds.items()}
    return run


def _seconds(task: Callable[[], object], device: str) -> float:
    gc.collect()
    _finish(device)
    started = time.perf_counter()
    task()
    _finish(device)
    return time.perf_counter() - started


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
