"""Gradient times input, at the embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.errors import UndefinedError
from mmx.methods._further import NO_EMBEDDINGS, has_embeddings, of_streams, times_gradient
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def input_gradient(capture: Capture) -> Rows:
    """A stream from whose embeddings no path leads to the score has zeros."""
    if not capture.embeddings:
        raise UndefinedError(NO_EMBEDDINGS)
    return of_streams(capture, {stream: times_gradient(states.value, states.gradient)
                                for stream, states in capture.embeddings.items() if states.gradient is not None})


METHOD = Method(
    name="input-gradient",
    summary="Each token's embedding times the score's gradient there: what the score owes it, to first order.",
    source="Shrikumar et al. 2016, arXiv 1605.01713, gradient x input; Simonyan et al. 2014 for the gradient",
    needs=("states",),
    rows=input_gradient,
    departs="At the embeddings, positions included, in the place of pixels; summed over their numbers.",
    signed=True,
    why_not=has_embeddings,
)
