"""Ablation: attention across modalities without either modality's self-attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_attention, propagated_rows
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def ablation_no_self_in_10(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_attention(capture), self_in_cross=False)


METHOD = Method(
    name="ablation-no-self-in-10",
    summary="Relevance with eq. 10 cut down to the cross-attention map itself.",
    source="Chefer, Gur & Wolf 2021, ablation of eq. 10",
    needs=("attention", "gradient"),
    rows=ablation_no_self_in_10,
    in_paper=True,
    differs_across_streams_from="relevance",
)
