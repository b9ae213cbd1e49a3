"""RISE: which tokens are shown where the score is high, of many random masks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mmx.methods._further import again_of, masks, of_streams
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.capture import Capture


def rise(capture: Capture) -> Rows:
    """Eq. 6, with the mean of the masks that were drawn for their expectation, less the scores' mean."""
    import torch

    again, count = again_of(capture), capture.samples[METHOD.name]
    found: dict[str, Tensor] = {}
    for what in again.hideable:
        runs = [((run.scores[:, :, None] * shown).sum(dim=0), shown.sum(dim=0), run.scores.sum(dim=0))
                for run, shown in again.on_hidden(what, count, partial(masks, capture, what))]
        weighted, total, whole = (torch.stack(several).sum(dim=0) for several in zip(*runs, strict=True))
        seen = what.tokens[again.chosen.entries_of(what.stream)] & (total > 0)
        means = torch.where(seen, weighted / total.clamp(min=1e-6) - whole[:, None] / count, 0)
        found[what.stream] = found.get(what.stream, 0) + means
    return of_streams(capture, found)


METHOD = Method(
    name="rise",
    summary="How much higher the score is where a token is shown, over random masks; no gradient is needed.",
    source="Petsiuk et al. 2018, arXiv 1806.07421, eq. 6; masks of 7 x 7 cells as in section 3.2",
    needs=("further passes",),
    rows=rise,
    departs="A mask has one value for a patch; words and regions are shown or not, each by itself, and the other parts "
            "whole. Less the mean of all masked scores, so that 0 says nothing. 500 masks, or --samples.",
    signed=True,
    samples=500,
)
