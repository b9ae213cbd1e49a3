"""Transformer attribution: gradient times LRP relevance, multiplied through the self-attention layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_lrp, over_links
from mmx.methods.base import Method, Rows, last_sites
from mmx.schedule import Link, self_sites

if TYPE_CHECKING:
    from mmx.capture import Capture


def transformer_attribution(capture: Capture) -> Rows:
    from mmx.rules import SelfRelevance

    fused = fused_lrp(capture)

    def of_layers(stream: str, before: Link | None = None) -> SelfRelevance:
        layers = (fused[site] for site in self_sites(capture.schedule, stream, before) if site in fused)
        return SelfRelevance(capture.sizes[stream], tuple(layers))

    rows: Rows = {}
    for readout in capture.readouts:
        for cols, last in last_sites(capture.schedule, readout.stream).items():
            if not last.is_self:
                unreached = readout.index.new_zeros(len(readout.index), capture.sizes[cols], dtype=capture.dtype)
                rows[readout.stream, cols] = readout.of(fused[last]) if last in fused else unreached
                continue
            rows[readout.stream, cols] = of_layers(cols).row(readout, capture.dtype)
    return over_links(capture, rows, lambda link, row: of_layers(link.cols, link).rows_times(row))


METHOD = Method(
    name="transformer-attribution",
    summary="Gradient times LRP relevance of each attention map, multiplied through the layers of one stream.",
    source="Chefer, Gur & Wolf CVPR 2021 (arXiv 2012.09838); across modalities as in Chefer et al. ICCV 2021",
    needs=("attention", "gradient", "lrp"),
    rows=transformer_attribution,
    aliases=("transformer_att",),
    departs="Made for one modality: across modalities only the last cross-attention map is read.",
)
