"""Partial LRP: the LRP relevance of the last attention map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import over_links
from mmx.methods.base import Method, Rows, last_sites
from mmx.schedule import Site

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Block, Capture, Readout


def partial_lrp(capture: Capture) -> Rows:
    return over_links(capture, {
        (readout.stream, cols): _read(capture, site, readout)
        for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()})


def _read(capture: Capture, site: Site, readout: Readout) -> Float[Tensor, "items cols"]:
    """A map without a path to the target has no relevance."""
    if not capture.maps[site].has_relevance:
        return readout.index.new_zeros(len(readout.index), capture.sizes[site.cols], dtype=capture.dtype)
    return readout.of(capture.folded(site, _mean))


def _mean(block: Block) -> Float[Tensor, "items _rows _cols"]:
    return block.relevance.mean(dim=1)


METHOD = Method(
    name="partial-lrp",
    summary="LRP relevance of the last attention map, averaged over heads; may be negative.",
    source="Voita et al. 2019 (arXiv 1905.09418), as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention", "lrp"),
    rows=partial_lrp,
    departs="Raw, where the reference scales it to [0, 1] over the whole map before a row is taken.",
    last_only=True,
)
