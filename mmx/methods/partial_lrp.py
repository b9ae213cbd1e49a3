"""Partial LRP: the LRP relevance of the last attention map."""

from mmx.capture import Capture
from mmx.methods.base import Method, Rows, last_sites
from mmx.rules import take_rows


def partial_lrp(capture: Capture) -> Rows:
    return {(readout.stream, cols): take_rows(capture.lrp[site].mean(dim=1), readout.index)
            for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()}


METHOD = Method(
    name="partial-lrp",
    summary="LRP relevance of the last attention map, averaged over heads; may be negative.",
    source="Voita et al. 2019 (arXiv 1905.09418), as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention", "lrp"),
    rows=partial_lrp,
    departs="Raw, where the reference scales it to [0, 1] over the whole map before a row is taken.",
    last_only=True,
)
