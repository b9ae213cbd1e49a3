"""CP-LRP: the same with attention maps and activated gates for constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._further import has_embeddings
from mmx.methods.attn_lrp import at_embeddings
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def cp_lrp(capture: Capture) -> Rows:
    return at_embeddings(capture, "cp-lrp")


METHOD = Method(
    name="cp-lrp",
    summary="AttnLRP in which attention maps and activated gates are constants; may be negative.",
    source="Ali et al. 2022 (arXiv 2202.07304), as in Achtibat et al. 2024 (arXiv 2402.05602), section 4",
    needs=("cp-lrp",),
    rows=cp_lrp,
    signed=True,
    why_not=has_embeddings,
)
