"""Attention Grad-CAM: the last attention map, its heads weighted by their mean gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import nothing, of_last_maps
from mmx.methods.base import Method, Rows
from mmx.schedule import Site

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float, Matrix
    from mmx.capture import Block, Capture


def attention_gradcam(capture: Capture) -> Rows:
    return of_last_maps(capture, lambda site: _weighted(capture, site))


def _weighted(capture: Capture, site: Site) -> Matrix:
    """A map without a path to the target has no relevance."""
    if not capture.maps[site].has_gradient:
        return capture.folded(site, nothing)
    weights = capture.gradient_means(site)

    def weighted(block: Block) -> Float[Tensor, "items _rows _cols"]:
        return (block.attention * weights[:, :, None, None]).mean(dim=1).clamp(min=0)

    return capture.folded(site, weighted)


METHOD = Method(
    name="attention-gradcam",
    summary="Grad-CAM on the last attention map: each head weighted by the mean of its gradient.",
    source="Selvaraju et al. 2017, on attention as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention", "gradient"),
    rows=attention_gradcam,
    in_paper=True,
    aliases=("attn_gradcam",),
    departs="Negative evidence is cut after the mean over heads, so the row is often all zero.",
    last_only=True,
)
