"""Grad-SAM: attention weighted by what of its gradient is positive, over all layers alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import nothing, of_all_maps
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Block, Capture


def grad_sam(capture: Capture) -> Rows:
    """A map without a path to the target counts as zero."""
    return of_all_maps(capture, lambda site: capture.folded(
        site, _weighted if capture.maps[site].has_gradient else nothing))


def _weighted(block: Block) -> Float[Tensor, "items _rows _cols"]:
    return (block.attention * block.gradient.clamp(min=0)).mean(dim=1)


METHOD = Method(
    name="grad-sam",
    summary="Attention times the positive part of its gradient, averaged over heads and layers.",
    source="Barkan et al. 2021 (CIKM, arXiv 2204.11073)",
    needs=("attention", "gradient"),
    rows=grad_sam,
    aliases=("gradsam",),
    departs="Of each map the row that explains the score is read; the paper sums it up over all of its tokens.",
)
