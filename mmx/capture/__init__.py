"""One forward and what the explained scores make of its attention maps: the only hooks, the only autograd."""

from mmx.capture.choice import Chosen, Places, Readout
from mmx.capture.folding import Fold, Folded
from mmx.capture.maps import AttentionMap, Block
from mmx.capture.matrices import Shares, Windowed
from mmx.capture.passes import Capture, ForwardPass, Outputs, capture_items, gradients, run_forward

__all__ = ["AttentionMap", "Block", "Capture", "Chosen", "Fold", "Folded", "ForwardPass", "Outputs", "Places",
           "Readout", "Shares", "Windowed", "capture_items", "gradients", "run_forward"]
