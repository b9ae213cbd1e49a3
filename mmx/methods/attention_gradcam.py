"""Attention Grad-CAM: the last attention map, its heads weighted by their mean gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods.base import Method, Rows, last_sites
from mmx.schedule import Site

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Capture


def attention_gradcam(capture: Capture) -> Rows:
    return {(readout.stream, cols): readout.take(_weighted(capture, site))
            for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()}


def _weighted(capture: Capture, site: Site) -> Float[Tensor, "items rows cols"]:
    attention = capture.attention[site]
    if site not in capture.gradient:
        return attention.new_zeros(attention[:, 0].shape)
    entries = capture.valid[site.rows].sum(dim=1) * capture.valid[site.cols].sum(dim=1)
    weights = capture.gradient[site].sum(dim=(2, 3)) / entries[:, None]
    return (attention * weights[:, :, None, None]).mean(dim=1).clamp(min=0)


METHOD = Method(
    name="attention-gradcam",
    summary="Grad-CAM on the last attention map: each head weighted by the mean of its gradient.",
    source="Selvaraju et al. 2017, on attention as in Chefer, Gur & Wolf 2021, section 4",
    needs=("attention", "gradient"),
    rows=attention_gradcam,
    aliases=("attn_gradcam",),
    departs="Negative evidence is cut after the mean over heads, so the row is often all zero.",
    last_only=True,
)
