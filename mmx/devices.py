"""Where models run: the device that is taken where none is named, and what one has room for."""

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
