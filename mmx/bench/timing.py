"""Timing things against each other, interleaved, so that a busy machine slows them alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch


def interleaved(tasks: Mapping[str, Callable[[], object]], rounds: int, device: str = "cpu") -> dict[str, float]:
    """Median seconds of each task over `rounds` rounds, every round running all of them once, after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for round_number in range(rounds + 1):
        for name, task in tasks.items():
            _finish(device)
            started = time.perf_counter()
            task()
            _finish(device)
            if round_number:
                times[name].append(time.perf_counter() - started)
    return {name: median(taken) for name, taken in times.items()}


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
