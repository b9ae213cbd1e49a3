"""Grad-ECLIP: values of the last attention, weighted by the gradient at its output and by a looser attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.errors import UndefinedError
from mmx.methods._propagation import one_row, one_stream, over_links
from mmx.methods.base import Layout, Method, Rows, last_sites

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Capture, Readout
    from mmx.schedule import Site


def grad_eclip(capture: Capture) -> Rows:
    rows = {(readout.stream, cols): _map(capture, readout, site)
            for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()}
    return over_links(capture, rows, lambda site, row: row.new_zeros(*row.shape[:2], capture.sizes[site.cols]))


def _map(capture: Capture, readout: Readout, site: Site) -> Float[Tensor, "items cols"]:
    """Of the columns beside the row's own."""
    from torch.nn.functional import cosine_similarity

    if readout.weights is not None:
        raise UndefinedError("It reads one row, and here the score is read off several.")
    row = capture.maps[site].mixed_at(readout.index)
    if row is None:
        raise UndefinedError("Queries and keys are not seen here: the model's softmax is its own, or in windows.")
    if row.gradient is None:
        return row.query.new_zeros(len(readout.index), row.keys.shape[1])
    own = readout.unit(row.keys.shape[1], row.keys.dtype).squeeze(1).bool()
    others = row.seen & ~own if site.is_self else row.seen
    alike = cosine_similarity(row.query.unsqueeze(1), row.keys, dim=-1)
    lowest = alike.masked_fill(~others, 1).amin(dim=1, keepdim=True)
    highest = alike.masked_fill(~others, -1).amax(dim=1, keepdim=True)
    loose = (alike - lowest) / (highest - lowest).clamp(min=1e-12)
    channels = (row.values @ row.gradient.unsqueeze(-1)).squeeze(-1) / capture.score_scale
    return (channels * loose).clamp(min=0) * others


def _why_not(layout: Layout) -> str:
    if layout.writes:
        return "it explains what one token pools, and here answers are written"
    return one_stream(layout) or one_row(layout)


METHOD = Method(
    name="grad-eclip",
    summary="Values of the last attention, weighted by the gradient at its output and by how alike query and keys are.",
    source="Zhao et al. 2024 (ICML, arXiv 2502.18816), eq. of the map with loosened attention",
    needs=("attention", "gradient"),
    rows=grad_eclip,
    aliases=("gradeclip",),
    departs="The model's own heads, side by side, and queries and keys as they are: the official notebooks make one "
            "head of all, and compare them behind its output projection. S is the similarity where the score is a "
            "multiple of one (the logit over its scale), elsewhere the explained score.",
    last_only=True,
    why_not=_why_not,
)
