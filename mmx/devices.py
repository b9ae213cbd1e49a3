"""What a device has room for."""

import torch


def quarter_of_gpu(device: str | torch.device) -> int | None:
    """A quarter of a GPU's memory in bytes, None on other devices.

    Of all that it has, never of what is free just now: where this decides what runs together, digits hang on it.
    """
    found = torch.device(device)
    return torch.cuda.get_device_properties(found).total_memory // 4 if found.type == "cuda" else None
