"""Relevance: the paper's own method, from attention and its gradient alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_attention, propagated_rows
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def relevance(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_attention(capture))


def as_reference(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_attention(capture), as_reference=True)


METHOD = Method(
    name="relevance",
    summary="Attention weighted by its gradient, carried through every layer and across modalities.",
    source="Chefer, Gur & Wolf 2021 (arXiv 2103.15679), eq. 5-11",
    needs=("attention", "gradient"),
    rows=relevance,
    in_paper=True,
    reference_rows=as_reference,
    aliases=("ours_no_lrp",),
    departs="Eq. 8 and 9 leave 0/0 open: a row without relevance stays a unit row. In the reference it is NaN, which "
            "its DETR code turns into dropping the whole layer; under the name ours_no_lrp, so does mmx.",
)
