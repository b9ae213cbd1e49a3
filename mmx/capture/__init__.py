"""One forward and what the explained scores make of its attention maps: the only hooks, the only autograd."""

from mmx.capture.choice import Chosen, Readout
from mmx.capture.folding import Fold, Folded
from mmx.capture.maps import AttentionMap, Block
from mmx.capture.passes import Capture, ForwardPass, Outputs, capture_items, gradients, run_forward, turns_of

__all__ = ["AttentionMap", "Block", "Capture", "Chosen", "Fold", "Folded", "ForwardPass", "Outputs", "Readout",
           "capture_items", "gradients", "run_forward", "turns_of"]
