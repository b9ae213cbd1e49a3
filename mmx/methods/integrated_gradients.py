"""Integrated gradients: gradients on the way from embeddings without content, whose sum is what the score rises by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._further import again_of, has_embeddings, mean_gradients, of_streams, times_gradient
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.capture import Capture


def integrated_gradients(capture: Capture) -> Rows:
    """Eq. 1 by the midpoint rule, and in a note how complete the sum is (proposition 1)."""
    again, steps = again_of(capture, on_embeddings=True), capture.samples[METHOD.name]
    blank = again.embeddings_without_content()
    def between(stream: str, values: Tensor, numbers: range) -> Tensor:
        share = values.new_tensor([(number + 0.5) / steps for number in numbers]).view(-1, 1, 1, 1)
        return blank[stream] + share * (values - blank[stream])

    def way(stream: str) -> Tensor:
        here = again.states[stream]
        return again.chosen.places_of(stream).take(here.tokens(here.value.detach()) - blank[stream])

    found = {stream: times_gradient(way(stream), gradient)
             for stream, gradient in mean_gradients(again, steps, between).items()}
    [start] = again.on_embeddings(1, lambda stream, values, numbers: blank[stream][None])
    rises = again.chosen.scores.detach() - start.scores[0]
    sums = sum((one.sum(dim=1) for one in found.values()), 0 * rises)
    capture.notes[METHOD.name] = [
        f"{METHOD.name}: scores of all tokens sum to {got:.3g} of the {all_:.3g} that the score rises by from inputs "
        f"without content{f' ({got / all_:.0%})' if all_ else ''}"
        for got, all_ in zip(sums.tolist(), rises.tolist(), strict=True)]
    return of_streams(capture, found)


METHOD = Method(
    name="integrated-gradients",
    summary="Gradients at embeddings on a straight way from ones without content; they sum to what the score rises by.",
    source="Sundararajan et al. 2017, arXiv 1703.01365, eq. 1, by the midpoint rule",
    needs=("states", "further passes"),
    rows=integrated_gradients,
    departs="The way begins at the embeddings of a blank picture, of regions with features of 0 and of padding tokens, "
            "with their positions: near embeddings of 0 layer norms make the score jump. 32 steps, or --samples.",
    signed=True,
    samples=32,
    why_not=has_embeddings,
)
