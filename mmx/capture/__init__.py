"""One forward and what the explained scores make of its attention maps: the only hooks, the only autograd."""

from mmx.capture.passes import (
    Capture,
    Chosen,
    ForwardPass,
    Outputs,
    Readout,
    capture_items,
    gradients,
    of_items,
    run_forward,
    turns_of,
)

__all__ = ["Capture", "Chosen", "ForwardPass", "Outputs", "Readout", "capture_items", "gradients", "of_items",
           "run_forward", "turns_of"]
