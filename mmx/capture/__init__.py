"""One forward and what the explained scores make of its attention maps: the only hooks, the only autograd."""

from mmx.capture.again import Again, Hideable, Run
from mmx.capture.backwards import gradients
from mmx.capture.choice import Chosen, Outputs, Places, Readout
from mmx.capture.folding import Fold, Folded
from mmx.capture.layer_scores import LayerScores
from mmx.capture.maps import AttentionMap, Block, MixedRow
from mmx.capture.matrices import Shares, Windowed
from mmx.capture.passes import Capture, ForwardPass, capture_items, run_forward
from mmx.capture.states import TokenStates

__all__ = ["Again", "AttentionMap", "Block", "Capture", "Chosen", "Fold", "Folded", "ForwardPass", "Hideable",
           "LayerScores", "MixedRow",
           "Outputs", "Places", "Readout", "Run", "Shares", "TokenStates", "Windowed", "capture_items", "gradients",
           "run_forward"]
