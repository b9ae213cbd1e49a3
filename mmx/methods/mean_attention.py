"""Mean attention: what all layers attend to, each alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._propagation import mean_over_heads, of_all_maps
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def mean_attention(capture: Capture) -> Rows:
    return of_all_maps(capture, lambda site: capture.folded(site, mean_over_heads))


METHOD = Method(
    name="mean-attention",
    summary="Attention averaged over all heads and layers. Knows nothing of the answer.",
    source="common practice with models that write: the attention of each word of an answer to the image tokens",
    needs=("attention",),
    rows=mean_attention,
)
