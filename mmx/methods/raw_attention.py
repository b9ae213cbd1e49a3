"""Raw attention: what the last layer attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import mean_over_heads, over_links
from mmx.methods.base import Method, Rows, last_sites

if TYPE_CHECKING:
    from mmx.capture import Capture


def raw_attention(capture: Capture) -> Rows:
    return over_links(capture, {
        (readout.stream, cols): readout.of(capture.folded(site, mean_over_heads))
        for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()})


METHOD = Method(
    name="raw-attention",
    summary="The last attention map, averaged over heads. Knows nothing of the answer.",
    source="baseline in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention",),
    rows=raw_attention,
    aliases=("raw_attn",),
    last_only=True,
)
