"""Relevance with the LRP relevance of each attention map in the map's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_lrp, propagated_rows
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def relevance_lrp(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_lrp(capture))


def as_reference(capture: Capture) -> Rows:
    return propagated_rows(capture, fused_lrp(capture), as_reference=True)


METHOD = Method(
    name="relevance-lrp",
    summary="Relevance in which LRP relevance of the attention maps takes the place of attention.",
    source="Chefer, Gur & Wolf 2021, eq. 5-11 with A replaced as in Chefer, Gur & Wolf CVPR 2021 (arXiv 2012.09838)",
    needs=("attention", "gradient", "lrp"),
    rows=relevance_lrp,
    in_paper=True,
    reference_rows=as_reference,
    aliases=("ours_with_lrp",),
)
