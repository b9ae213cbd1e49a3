"""Attention rollout: attention multiplied through the layers, without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods.base import Method, Rows, last_sites
from mmx.schedule import Site, self_sites

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Capture


def rollout(capture: Capture) -> Rows:
    rows: Rows = {}
    for readout in capture.readouts:
        unit = readout.unit(capture.sizes[readout.stream], capture.dtype)
        for cols, site in last_sites(capture.schedule, readout.stream).items():
            if site.is_self:
                rolled = _through(unit, _layers(capture, self_sites(capture.schedule, cols)))
            else:
                # Row t of Jᵀ is column t of J, which a walk the other way gives.
                own = _layers(capture, self_sites(capture.schedule, readout.stream, before=site))
                column = _through(unit, [layer.transpose(-1, -2) for layer in reversed(own)])
                across = column @ capture.attention[site].mean(dim=1)
                rolled = _through(across, _layers(capture, self_sites(capture.schedule, cols, before=site)))
            rows[readout.stream, cols] = rolled.squeeze(1)
    return rows


def _layers(capture: Capture, sites: tuple[Site, ...]) -> list[Float[Tensor, "items size size"]]:
    """Mean over heads of A, plus I, of each site, rows divided by their sums; first layer first."""
    from mmx.rules import row_normalize

    if not sites:
        return []
    identity = capture.attention[sites[0]].new_ones(capture.sizes[sites[0].rows], dtype=capture.dtype).diag()
    mixed = [capture.attention[site].mean(dim=1) + identity for site in sites]
    return [row_normalize(layer) for layer in mixed] if capture.reference.rollout_normalizes else mixed


def _through(row: Float[Tensor, "items 1 size"],
             layers: list[Float[Tensor, "items size size"]]) -> Float[Tensor, "items 1 size"]:
    """row · J with J = layer_L … layer_1."""
    for layer in reversed(layers):
        row = row @ layer
    return row


METHOD = Method(
    name="rollout",
    summary="Attention averaged over heads and multiplied through all layers. Knows nothing of the answer.",
    source="Abnar & Zuidema 2020 (arXiv 2005.00928); across modalities as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention",),
    rows=rollout,
    departs="As in the reference's code: across modalities only the last cross-attention map is used, and VisualBERT's "
            "rows are not normalised, which makes them 2^layers as large and changes nothing else.",
)
