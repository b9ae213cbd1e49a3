"""Raw attention: what the last layer attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import mean_over_heads, of_last_maps
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def raw_attention(capture: Capture) -> Rows:
    return of_last_maps(capture, lambda site: capture.folded(site, mean_over_heads))


METHOD = Method(
    name="raw-attention",
    summary="The last attention map, averaged over heads. Knows nothing of the answer.",
    source="baseline in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention",),
    rows=raw_attention,
    in_paper=True,
    aliases=("raw_attn",),
    last_only=True,
)
