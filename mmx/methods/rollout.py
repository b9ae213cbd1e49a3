"""Attention rollout: attention multiplied through the layers, without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import mean_over_heads, over_links
from mmx.methods.base import Method, Rows, last_sites
from mmx.schedule import Link, Site, self_sites

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float, Matrix
    from mmx.capture import Block, Capture


def rollout(capture: Capture) -> Rows:
    rows: Rows = {}

    def across(site: Site, row: Float[Tensor, "items 1 rows"]) -> Float[Tensor, "items 1 cols"]:
        # Row t of Jᵀ is column t of J, which a walk the other way gives.
        column = row.mT
        for layer in _layers(capture, self_sites(capture.schedule, site.rows, before=site)):
            column = layer.times(column)
        crossed = capture.folded(site, mean_over_heads).rows_times(column.mT)
        return _through(crossed, _layers(capture, self_sites(capture.schedule, site.cols, before=site)))

    for readout in capture.readouts:
        unit = readout.unit(capture.sizes[readout.stream], capture.dtype)
        for cols, site in last_sites(capture.schedule, readout.stream).items():
            if site.is_self:
                *before, last = _layers(capture, self_sites(capture.schedule, cols))
                rolled = _through(readout.of(last).unsqueeze(1), before)
            else:
                rolled = across(site, unit)
            rows[readout.stream, cols] = rolled.squeeze(1)

    def within(link: Link, row: Float[Tensor, "items 1 size"]) -> Float[Tensor, "items 1 size"]:
        return _through(row, _layers(capture, self_sites(capture.schedule, link.cols, before=link)))

    return over_links(capture, rows, across, within)


def _layers(capture: Capture, sites: tuple[Site, ...]) -> list[Matrix]:
    """Mean over heads of A, plus I, of each site, rows divided by their sums; first layer first."""
    fold = _normalized if capture.reference.rollout_normalizes else _mixed
    return [capture.folded(site, fold) for site in sites]


def _mixed(block: Block) -> Float[Tensor, "items _rows _cols"]:
    return block.plus_identity(mean_over_heads(block))


def _normalized(block: Block) -> Float[Tensor, "items _rows _cols"]:
    from mmx.rules import row_normalize

    return row_normalize(_mixed(block))


def _through(row: Float[Tensor, "items 1 size"], layers: list[Matrix]) -> Float[Tensor, "items 1 size"]:
    """row · J with J = layer_L … layer_1."""
    for layer in reversed(layers):
        row = layer.rows_times(row)
    return row


METHOD = Method(
    name="rollout",
    summary="Attention averaged over heads and multiplied through all layers. Knows nothing of the answer.",
    source="Abnar & Zuidema 2020 (arXiv 2005.00928); across modalities as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention",),
    rows=rollout,
    in_paper=True,
    departs="As in the reference's code: across modalities only the last cross-attention map is used, and VisualBERT's "
            "rows are not normalised, which makes them 2^layers as large and changes nothing else.",
)
