"""Relevance: the paper's own method, from attention and its gradient alone."""

from mmx.capture import Capture
from mmx.methods._propagation import fused_attention, propagated_rows
from mmx.methods.base import Method, Rows


def relevance(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_attention(capture))


METHOD = Method(
    name="relevance",
    summary="Attention weighted by its gradient, carried through every layer and across modalities.",
    source="Chefer, Gur & Wolf 2021 (arXiv 2103.15679), eq. 5-11",
    needs=("attention", "gradient"),
    rows=relevance,
    aliases=("ours_no_lrp",),
    departs="Eq. 8 and 9 leave 0/0 open: a row without relevance stays a unit row, where the reference's is NaN.",
)
