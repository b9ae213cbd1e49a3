"""What the methods that walk the whole schedule share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmx.methods.base import Rows
from mmx.schedule import Site

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Capture


def fused_attention(capture: Capture) -> dict[Site, Float[Tensor, "items _rows _cols"]]:
    """Eq. 5 at every site that has a path to the target."""
    from mmx.rules import fuse_heads

    return {site: fuse_heads(capture.attention[site], gradient) for site, gradient in capture.gradient.items()}


def fused_lrp(capture: Capture) -> dict[Site, Float[Tensor, "items _rows _cols"]]:
    """Eq. 5 with the LRP relevance of the map in place of the map, as in transformer attribution."""
    from mmx.rules import fuse_heads

    return {site: fuse_heads(relevance, capture.gradient[site]) for site, relevance in capture.lrp.items()}


def propagated_rows(capture: Capture, fused: Mapping[Site, Float[Tensor, "items _rows _cols"]], *,
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
