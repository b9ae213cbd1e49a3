"""Relevance with LRP and without the normalisation of the self-attention relevance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_lrp, propagated_rows
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def relevance_lrp_no_norm(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_lrp(capture), normalize=False)


METHOD = Method(
    name="relevance-lrp-no-norm",
    summary="Relevance with LRP, eq. 8 and 9 left out.",
    source="Chefer, Gur & Wolf 2021, eq. 5-7, 10, 11 with LRP (ablation)",
    needs=("attention", "gradient", "lrp"),
    rows=relevance_lrp_no_norm,
    in_paper=True,
    aliases=("ours_with_lrp_no_normalization", "ours_with_lrp_no_norm"),
    differs_across_streams_from="relevance-lrp",
)
