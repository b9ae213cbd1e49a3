"""What methods share that run the model again, or read its embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, isqrt
from typing import TYPE_CHECKING

from mmx.errors import UndefinedError
from mmx.methods.base import Layout, Rows
from mmx.schedule import reached

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from mmx.arrays import Float, Int
    from mmx.capture import Again, Capture, Hideable
    from mmx.capture.again import AlterStates

SHOWN, CELLS = 0.5, 7
NO_EMBEDDINGS = "the embeddings of its tokens are not known"
Drawn = Callable[["np.random.Generator"], "np.ndarray"]


def has_embeddings(layout: Layout) -> str:
    """Why a method of embeddings is not defined."""
    return "" if layout.roots else NO_EMBEDDINGS


def of_streams(capture: Capture, scores: Mapping[str, Tensor]) -> Rows:
    """Rows of scores that streams have whatever reads them; zero of a stream without."""
    import torch

    return {(readout.stream, cols): scores[cols] if cols in scores else torch.zeros(
        len(readout.index), capture.sizes[cols], dtype=capture.dtype, device=readout.index.device)
        for readout in capture.readouts for cols in reached(capture.schedule, readout.stream)}


def again_of(capture: Capture, *, on_embeddings: bool = False) -> Again:
    """The model, to be run again. Raises UndefinedError where it has no embeddings that are known."""
    assert capture.again is not None
    if on_embeddings and not capture.again.states:
        raise UndefinedError(f"{NO_EMBEDDINGS[0].upper()}{NO_EMBEDDINGS[1:]}")
    return capture.again


def mean_gradients(again: Again, count: int, alter: AlterStates) -> dict[str, Float[Tensor, "items _tokens _width"]]:
    """Over `count` alterations of the embeddings, of each stream that a path leads from."""
    found: dict[str, Tensor] = {}
    for run in again.on_embeddings(count, alter, with_gradients=True):
        for stream, gradients in run.gradients.items():
            found[stream] = found.get(stream, 0) + gradients.sum(dim=0) / count
    return found


def times_gradient(value: Float[Tensor, "#items tokens width"],
                   gradient: Float[Tensor, "items tokens width"]) -> Float[Tensor, "items tokens"]:
    """What each token's numbers contribute, to first order."""
    return (value * gradient).sum(dim=2)


def drawn(capture: Capture, stream: str, entries: int, number: int, draw: Drawn) -> Float[Tensor, "entries ..."]:
    """Random numbers for each entry of a stream's batch and the alteration of this number, from its item's seed.

    Entries that are no sample's, such as texts that all pictures share, have those of the seed 0.
    """
    import numpy as np
    import torch

    again = again_of(capture)
    seeds = {} if stream in again.chosen.entries else dict(zip(again.chosen.places.numbers, capture.seeds, strict=True))
    streams = sorted(capture.sizes).index(stream)
    found = [draw(np.random.default_rng([seeds.get(entry, 0), streams, number])) for entry in range(entries)]
    return torch.as_tensor(np.stack(found), dtype=capture.dtype, device=again.chosen.samples.device)


def windows(what: Hideable, most: int) -> tuple[Int[Tensor, "entries tokens"], int]:
    """The number of the window that each token is hidden with, -1 for none, and how many these are: `most` at most.

    Each token is one, or else neighbours are: of a picture, the tokens in a cell of a coarser grid.
    """
    import torch

    size = what.tokens.shape[1]
    number = torch.arange(size, device=what.tokens.device).expand_as(what.tokens)
    there = what.tokens.any(dim=0)
    if int(there.sum()) > most and what.places is not None:
        views = _views(what)
        side = max(1, isqrt(most // views))
        down, across = (what.places.clamp(min=0) * side).long().unbind(dim=2)
        number = (down * (side * views) + across).expand_as(number)
    elif int(there.sum()) > most:
        together = -(-int(there.sum()) // most)
        number = ((there.cumsum(dim=0) - 1) // together).expand_as(number)
    window = torch.where(what.tokens, number, -1)
    used, numbered = torch.unique(window, return_inverse=True)
    first = int((used < 0).sum())
    return numbered - first, len(used) - first


def masks(capture: Capture, what: Hideable, numbers: range) -> Float[Tensor, "alterations entries tokens"]:
    """How much of each token is shown in each of some random masks: of a picture, cells with soft edges at a random
    place; of other tokens, each or none.
    """
    import torch
    from torch.nn.functional import grid_sample

    entries, size = what.tokens.shape
    if what.places is None:
        return torch.stack([drawn(capture, what.stream, entries, number, lambda one: one.random(size) < SHOWN)
                            for number in numbers])
    views = _views(what)
    cells = torch.stack([drawn(capture, what.stream, entries, number,
                               lambda one: one.random(CELLS * CELLS * views + 2)) for number in numbers]).flatten(0, 1)
    on = (cells[:, :-2] < SHOWN).to(cells.dtype).view(-1, 1, CELLS, CELLS * views)
    counts = cells.new_tensor([CELLS, CELLS * views])
    places = what.places.to(cells.dtype).expand(entries, -1, -1).repeat(len(numbers), 1, 1)
    within = (places * CELLS + cells[:, None, -2:]) / (counts + 1)
    found = grid_sample(on, (2 * within - 1).flip(2).unsqueeze(1), align_corners=False, padding_mode="border")
    return found.view(len(numbers), entries, size)


def _views(what: Hideable) -> int:
    """How many lie beside each other."""
    assert what.places is not None
    return max(1, ceil(float(what.places[..., 1].max())))
