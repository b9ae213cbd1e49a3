"""Occlusion: how far the score falls where a token is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods._further import again_of, of_streams, windows
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.capture import Capture

MOST = 256


def occlusion(capture: Capture) -> Rows:
    """Tokens that are hidden together share the fall of the score."""
    again = again_of(capture)
    found: dict[str, Tensor] = {}
    for what in again.hideable:
        window, count = windows(what, MOST)

        def shown(numbers: range, window: Tensor = window) -> Tensor:
            return (window != window.new_tensor(list(numbers))[:, None, None]).to(capture.dtype)

        for run, seen in again.on_hidden(what, count, shown):
            falls = (again.chosen.scores.detach() - run.scores)[:, :, None]
            inside = 1 - seen
            found[what.stream] = found.get(what.stream, 0) + (
                falls * inside / inside.sum(dim=2, keepdim=True).clamp(min=1)).sum(dim=0)
    return of_streams(capture, found)


METHOD = Method(
    name="occlusion",
    summary="How far the score falls where a patch, region or word is hidden, one at a time; no gradient is needed.",
    source="Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2",
    needs=("further passes",),
    rows=occlusion,
    departs="Whole patches in the mean colour. Of more than 256, neighbours are hidden together and share the fall.",
    signed=True,
)
