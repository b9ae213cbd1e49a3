"""Partial LRP: the LRP relevance of the last attention map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods.base import Method, Rows, last_sites
from mmx.schedule import Site

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Capture


def partial_lrp(capture: Capture) -> Rows:
    return {(readout.stream, cols): readout.take(_last(capture, site).mean(dim=1))
            for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()}


def _last(capture: Capture, site: Site) -> Float[Tensor, "items heads rows cols"]:
    """A map without a path to the target has no relevance."""
    attention = capture.attention[site]
    return capture.lrp[site] if site in capture.lrp else attention.new_zeros(attention.shape)


METHOD = Method(
    name="partial-lrp",
    summary="LRP relevance of the last attention map, averaged over heads; may be negative.",
    source="Voita et al. 2019 (arXiv 1905.09418), as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention", "lrp"),
    rows=partial_lrp,
    departs="Raw, where the reference scales it to [0, 1] over the whole map before a row is taken.",
    last_only=True,
)
