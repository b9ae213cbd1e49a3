"""What the methods that walk the whole schedule share."""

from collections.abc import Mapping

from torch import Tensor

from mmx.capture import Capture
from mmx.methods.base import Rows
from mmx.rules import fuse_heads, propagate
from mmx.schedule import Site


def fused_attention(capture: Capture) -> dict[Site, Tensor]:
    """Eq. 5 at every site that has a path to the target, (items, rows, cols)."""
    return {site: fuse_heads(capture.attention[site], gradient) for site, gradient in capture.gradient.items()}


def fused_lrp(capture: Capture) -> dict[Site, Tensor]:
    """Eq. 5 with the LRP relevance of the map in place of the map, as in transformer attribution."""
    return {site: fuse_heads(relevance, capture.gradient[site]) for site, relevance in capture.lrp.items()}


def propagated_rows(capture: Capture, fused: Mapping[Site, Tensor], **rules: bool) -> Rows:
    """Eq. 6 to 11 over the schedule, then the rows that the readouts ask for."""
    state = propagate(capture.schedule, fused, capture.sizes, **rules)
    return {(readout.stream, cols): state.row(readout.stream, cols, readout.index, capture.dtype)
            for readout in capture.readouts for cols in capture.streams}
