"""Beyond Intuition, head-wise: attention of heads that matter, through the layers, times the gradient of the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.errors import UndefinedError
from mmx.methods._propagation import one_row
from mmx.methods.base import Layout, Method, Rows
from mmx.schedule import Site, last_site, sites_of

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float, Matrix
    from mmx.capture import Block, Capture, Readout

STEPS = 20


def beyond_intuition(capture: Capture) -> Rows:
    from mmx.rules import propagate

    feedback = {readout.stream: _feedback(capture, readout) for readout in capture.readouts}
    fused = {site: _by_heads(capture, site) for site, map_ in capture.maps.items() if map_.has_gradient}
    walked = propagate(capture.schedule, fused, capture.sizes, links=capture.links)
    return {(readout.stream, readout.stream): walked.rows(readout, capture.dtype)[readout.stream]
            * feedback[readout.stream] * capture.valid[readout.stream] for readout in capture.readouts}


def _by_heads(capture: Capture, site: Site) -> Matrix:
    """Attention perception: the sum over heads of A, each by its share of the mean of |Aᵀ · ∇A|."""
    sums = capture.maps[site].crossed_sums()
    shares = sums / sums.sum(dim=1, keepdim=True).clamp(min=1e-30)

    def weighted(block: Block) -> Float[Tensor, "items _rows _cols"]:
        return (block.attention * shares[:, :, None, None]).sum(dim=1)

    return capture.folded(site, weighted)


def _feedback(capture: Capture, readout: Readout) -> Float[Tensor, "items tokens"]:
    """Reasoning feedback: the mean over heads of the positive part of ∇A of the last map, integrated from no input."""
    import torch

    last = last_site(capture.schedule, readout.stream, readout.stream)
    if readout.weights is not None or last is None or last.windows is not None or capture.again is None:
        raise UndefinedError("It reads one row of one stream, and here the score is read off several.")
    shares = (torch.arange(STEPS, dtype=capture.dtype, device=readout.index.device) + 0.5) / STEPS

    def scaled(stream: str, values: Float[Tensor, "batch tokens width"],
               numbers: range) -> Float[Tensor, "alterations batch tokens width"]:
        some = shares[numbers.start:numbers.stop, None, None, None].to(values.dtype)
        return values * (some if stream == readout.stream else torch.ones_like(some))

    total = torch.zeros((), dtype=capture.dtype, device=readout.index.device)
    for run in capture.again.on_embeddings(STEPS, scaled, at=(last,)):
        rows = run.maps[last].row_of_each(readout.index.repeat(len(run.numbers)))
        total = total + rows.gradient.unflatten(0, (len(run.numbers), -1)).sum(dim=0)
    return (total / STEPS).clamp(min=0).mean(dim=1).squeeze(1)


def _why_not(layout: Layout) -> str:
    if layout.writes or not all(site.is_self for site in sites_of(layout.schedule)):
        return "it explains what one token pools of one stream"
    return one_row(layout)


METHOD = Method(
    name="beyond-intuition",
    summary="Attention of the heads that matter, through all layers, times the gradient of the last one, integrated.",
    source="Chen et al. 2023 (TMLR), head-wise attention perception and reasoning feedback",
    needs=("attention", "gradient", "further passes"),
    rows=beyond_intuition,
    departs="Embeddings go from zero to what they are, by the middles of 20 steps, as at zero itself similarities "
            "may have no value; its code scales the picture, from zero on. All layers that are read take part; its "
            "code leaves out the first ones.",
    why_not=_why_not,
)
