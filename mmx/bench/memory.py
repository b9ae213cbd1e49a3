"""The most memory that a task holds at a time, beside what was there before it."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that operations make inside, while something holds them: the graph does too.

    What was there before (weights, inputs) is not counted, nor what a kernel needs while it runs. Unlike the resident
    memory of a process, this is the same number at every run, whatever else the machine does.

    Attributes:
        now: bytes that are held.
        peak: the most that were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        self._see((args, kwargs), counts=False)
        output = func(*args, **(kwargs or {}))
        self._see(output, counts=True)
        self.peak = max(self.peak, self.now)
        return output

    def _see(self, values: object, *, counts: bool) -> None:
        """What comes first as an argument was made outside."""
        for value in tree_leaves(values):
            if not isinstance(value, Tensor):
                continue
            storage = value.untyped_storage()
            if storage._cdata not in self._seen:
                size = storage.nbytes() if counts else 0
                self.now += size
                self._seen.add(storage._cdata)
                weakref.finalize(storage, self._gone, storage._cdata, size)

    def _gone(self, storage: int, size: int) -> None:
        self._seen.discard(storage)
        self.now -= size


def peak_bytes(task: Callable[[], object], device: str = "cpu") -> int:
    """Runs a task; by PyTorch's allocator on a GPU, by `LiveBytes` elsewhere."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        task()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with LiveBytes() as live:
        task()
    return live.peak
