"""The most memory that a task holds at a time, beside what was there before it."""

from collections.abc import Callable

import torch

from mmx.cost import Counting


def peak_bytes(task: Callable[[], object], device: str = "cpu") -> int:
    """Runs a task; by PyTorch's allocator on a GPU, elsewhere by the bytes of tensors that live.

    What a kernel needs while it runs is not among the latter. Unlike the resident memory of a process, that is the same
    number at every run, whatever else the machine does.
    """
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        task()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with Counting() as live:
        task()
    return live.peak
