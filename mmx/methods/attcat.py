"""AttCAT: what the states that enter each layer are worth to the score, weighted by how much each is attended to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.errors import UndefinedError
from mmx.methods._propagation import mean_over_heads, one_stream, over_links
from mmx.methods.base import Method, Rows
from mmx.schedule import Site, reached, self_sites

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Capture


def attcat(capture: Capture) -> Rows:
    rows: Rows = {}
    for readout in capture.readouts:
        for cols in reached(capture.schedule, readout.stream):
            rows[readout.stream, cols] = readout.index.new_zeros(len(readout.index), capture.sizes[cols],
                                                                 dtype=capture.dtype)
            for site in self_sites(capture.schedule, cols):
                rows[readout.stream, cols] = rows[readout.stream, cols] + _impact(capture, site)
    return over_links(capture, rows, lambda site, row: row.new_zeros(*row.shape[:2], capture.sizes[site.cols]))


def _impact(capture: Capture, site: Site) -> Float[Tensor, "#items tokens"]:
    """State times gradient of each token, times the mean of its column of attention over heads and rows."""
    if site not in capture.before:
        raise UndefinedError("The states that enter each layer are not seen here.")
    states, valid = capture.before[site], capture.valid[site.rows].to(capture.dtype)
    if states.gradient is None:
        return 0 * valid
    means = capture.folded(site, mean_over_heads).rows_times((valid / valid.sum(dim=1, keepdim=True)).unsqueeze(1))
    return (states.value * states.gradient).sum(dim=-1) * means.squeeze(1) * valid


METHOD = Method(
    name="attcat",
    summary="State times gradient of each token before each layer, times the attention that it gets there, summed up.",
    source="Qiang et al. 2022 (NeurIPS), attentive class activation tokens",
    needs=("attention", "states"),
    rows=attcat,
    signed=True,
    departs="As in its code: the states that enter a layer, and attention averaged over the tokens that attend.",
    why_not=one_stream,
)
