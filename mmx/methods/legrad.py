"""LeGrad: the gradient of each layer's own score at its attention map, summed over the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods.base import Layout, Method, Rows
from mmx.schedule import stack_of

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Block, Capture


def legrad(capture: Capture) -> Rows:
    return capture.over_layers(_positive)


def _positive(block: Block) -> Float[Tensor, "items _rows _cols"]:
    return (block.gradient.clamp(min=0) * block.looked_at).mean(dim=1)


def _why_not(layout: Layout) -> str:
    if not layout.pools:
        return "what it says is read at single tokens, where a layer's score is that of the mean of all"
    scored = all(stack_of(layout.schedule, stream) for stream in layout.reads)
    return "" if scored else "streams attend to each other in its layers, or its tokens are merged between them"


METHOD = Method(
    name="legrad",
    summary="The positive gradient of each layer's own score at its attention map, summed over the layers.",
    source="Bousselham et al. 2024 (arXiv 2404.03214)",
    needs=("layer scores",),
    rows=legrad,
    why_not=_why_not,
    departs="Raw, neither resized nor scaled. SigLIP's maps are not corrected by those of an empty prompt, as the "
            "official code's are. Where a head reads several tokens, the mean stands for each of them.",
)
