"""Where models run: the device that is taken where none is named, and what one has room for."""

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEFAULT_DEVICE = "auto"
"""CUDA, else MPS, else the CPU, from Python as on the command line."""


def quarter_of_gpu(device: "str | torch.device") -> int | None:
    """A quarter of a GPU's memory in bytes, None on other devices.

    Of all that it has, never of what is free just now: where this decides what runs together, digits hang on it.
    """
    import torch

    found = torch.device(device)
    return torch.cuda.get_device_properties(found).total_memory // 4 if found.type == "cuda" else None


def free_memory(device: "str | torch.device") -> int | None:
    """Bytes of a GPU that can still be taken, those among them that PyTorch holds and has let go; None elsewhere."""
    import torch

    found = torch.device(device)
    if found.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(found) - torch.cuda.memory_allocated(found)
    return torch.cuda.mem_get_info(found)[0] + kept


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device had no room for what was asked for; PyTorch says so of a CPU in words alone."""
    import torch

    said = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and any(
        words in said for words in ("out of memory", "not enough memory", "DefaultCPUAllocator")))


def make_room(device: "str | torch.device") -> None:
    """Gives back what nobody needs any more, after a device had no room."""
    import torch

    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
