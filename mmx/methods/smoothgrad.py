"""SmoothGrad: the gradient at the embeddings, a mean over noisy ones, times what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._further import again_of, drawn, has_embeddings, mean_gradients, of_streams, times_gradient
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.capture import Capture

NOISE = 0.6


def smoothgrad(capture: Capture) -> Rows:
    """Section 3's mean gradient, as its images are shown in section 2: multiplied with the input."""
    import torch

    again, count = again_of(capture, on_embeddings=True), capture.samples[METHOD.name]
    def noisy(stream: str, values: Tensor, numbers: range) -> Tensor:
        spread, shape = NOISE * values.std(dim=2, keepdim=True), values.shape[1:]
        noise = [drawn(capture, stream, len(values), number, lambda one: one.standard_normal(shape))
                 for number in numbers]
        return values + torch.stack(noise).to(values.dtype) * spread

    return of_streams(capture, {stream: times_gradient(capture.embeddings[stream].value, gradient)
                                for stream, gradient in mean_gradients(again, count, noisy).items()})


METHOD = Method(
    name="smoothgrad",
    summary="Each token's embedding times the score's gradient there, a mean over embeddings with noise.",
    source="Smilkov et al. 2017, arXiv 1706.03825, section 3, times the input as in section 2.2",
    needs=("states", "further passes"),
    rows=smoothgrad,
    departs="At embeddings; noise is 0.6 of each one's standard deviation, about the 15 % of the range "
            "that the paper has for pixels. 32 draws, or --samples.",
    signed=True,
    samples=32,
    why_not=has_embeddings,
)
