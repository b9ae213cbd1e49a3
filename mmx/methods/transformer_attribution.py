"""Transformer attribution: gradient times LRP relevance, multiplied through the self-attention layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_lrp
from mmx.methods.base import Method, Rows, last_sites
from mmx.schedule import made_of

if TYPE_CHECKING:
    from mmx.capture import Capture


def transformer_attribution(capture: Capture) -> Rows:
    from mmx.rules import propagate

    fused = fused_lrp(capture)
    within = propagate(capture.schedule, {site: one for site, one in fused.items() if site.is_self}, capture.sizes,
                       links=capture.links)
    rows: Rows = {}
    for readout in capture.readouts:
        walked, last_of = within.rows(readout, capture.dtype), last_sites(capture.schedule, readout.stream)
        rows |= {(readout.stream, cols): walked[cols] for cols in made_of(capture.schedule, readout.stream)}
        for cols, last in last_of.items():
            unreached = readout.index.new_zeros(len(readout.index), capture.sizes[cols], dtype=capture.dtype)
            rows[readout.stream, cols] = (walked[cols] if last.is_self else readout.of(fused[last]) if last in fused
                                          else unreached)
    return rows


METHOD = Method(
    name="transformer-attribution",
    summary="Gradient times LRP relevance of each attention map, multiplied through the layers of one stream.",
    source="Chefer, Gur & Wolf CVPR 2021 (arXiv 2012.09838); across modalities as in Chefer et al. ICCV 2021",
    needs=("attention", "gradient", "lrp"),
    rows=transformer_attribution,
    in_paper=True,
    aliases=("transformer_att",),
    departs="Made for one modality: across modalities only the last cross-attention map is read.",
)
