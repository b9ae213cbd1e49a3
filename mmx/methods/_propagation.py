"""What several methods fold, and the walk over the whole schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmx.methods.base import Rows
from mmx.schedule import Site

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Block, Capture, Folded
    from mmx.rules import Matrix


def fused_attention(capture: Capture) -> dict[Site, Folded]:
    """Eq. 5 at every site that has a path to the target."""
    return capture.folded_where(lambda map_: map_.has_gradient, _fused)


def fused_lrp(capture: Capture) -> dict[Site, Folded]:
    """Eq. 5 with the LRP relevance of the map in place of the map, as in transformer attribution."""
    return capture.folded_where(lambda map_: map_.has_relevance, _fused_lrp)


def _fused(block: Block) -> Float[Tensor, "items _rows _cols"]:
    from mmx.rules import fuse_heads

    return fuse_heads(block.attention, block.gradient)


def _fused_lrp(block: Block) -> Float[Tensor, "items _rows _cols"]:
    from mmx.rules import fuse_heads

    return fuse_heads(block.relevance, block.gradient)


def mean_over_heads(block: Block) -> Float[Tensor, "items _rows _cols"]:
    """The attention map, its heads alike."""
    return block.attention.mean(dim=1)


def propagated_rows(capture: Capture, fused: Mapping[Site, Matrix], *,
                    normalize: bool = True, self_in_cross: bool = True, as_reference: bool = False) -> Rows:
    """Eq. 6 to 11 over the schedule, then the rows that the readouts ask for.

    `as_reference`: 0/0 in eq. 8 is treated as the reference's code treats it in this family.
    """
    from mmx.rules import propagate

    drops = as_reference and capture.reference.drops_undefined_layers
    state = propagate(capture.schedule, fused, capture.sizes, normalize=normalize, self_in_cross=self_in_cross,
                      drop_undefined=capture.valid if drops else None)
    return {(readout.stream, cols): state.row(readout, cols, capture.dtype)
            for readout in capture.readouts for cols in capture.streams}
