"""Partial LRP: the LRP relevance of the last attention map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import nothing, of_last_maps
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Block, Capture


def partial_lrp(capture: Capture) -> Rows:
    """A map without a path to the target has no relevance."""
    return of_last_maps(capture, lambda site: capture.folded(
        site, _mean if capture.maps[site].has_relevance else nothing))


def _mean(block: Block) -> Float[Tensor, "items _rows _cols"]:
    return block.relevance.mean(dim=1)


METHOD = Method(
    name="partial-lrp",
    summary="LRP relevance of the last attention map, averaged over heads; may be negative.",
    source="Voita et al. 2019 (arXiv 1905.09418), as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention", "lrp"),
    rows=partial_lrp,
    in_paper=True,
    departs="Raw, where the reference scales it to [0, 1] over the whole map before a row is taken.",
    last_only=True,
)
