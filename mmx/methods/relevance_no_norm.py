"""Relevance without the normalisation of the self-attention relevance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_attention, propagated_rows
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def relevance_no_norm(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_attention(capture), normalize=False)


METHOD = Method(
    name="relevance-no-norm",
    summary="Relevance with eq. 8 and 9 left out: self-attention enters the other modality unnormalised.",
    source="Chefer, Gur & Wolf 2021, eq. 5-7, 10, 11 (ablation)",
    needs=("attention", "gradient"),
    rows=relevance_no_norm,
    in_paper=True,
    aliases=("ours_no_lrp_no_norm", "ours_no_lrp_no_normalization"),
    differs_across_streams_from="relevance",
)
