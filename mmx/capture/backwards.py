"""What the explained scores make of attention maps and of states: the only calls of autograd."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from mmx.arrays import Float
from mmx.capture.choice import Chosen, Places
from mmx.errors import CaptureError
from mmx.schedule import Site


class Reached(Protocol):
    """What the score is differentiated by."""

    @property
    def in_graph(self) -> tuple[Tensor, ...]:
        """As it is in the graph: of every call."""
        ...

    def of_items(self, gradients: list[Tensor], places: Places, batched: bool) -> Tensor:
        """The gradient of each item, of that of each turn where several were `batched`."""
        ...


class Placed(Protocol):
    """Where that is: in which stream, and whether a path must lead from there to the score."""

    @property
    def rows(self) -> str: ...

    @property
    def reaches_target(self) -> bool: ...


P = TypeVar("P", bound=Placed)


def gradients(chosen: Chosen, reached: Mapping[P, Reached], *, last: bool = False) -> dict[P, Tensor]:
    """d score / d output of the attention of every item, or d score / d states, without those that have no path.

    Args:
        chosen: the explained scores.
        reached: in the graph of the scores. Where the output of an attention is not known, its map stands for it.
        last: no other backward follows.

    Raises:
        CaptureError: a map that should reach the target has no gradient; the message names its module.
    """
    found: dict[P, Tensor] = {}
    groups = [{place: one for place, one in reached.items() if place.rows in streams}
              for streams in [{place.rows for place in reached}.difference(chosen.entries),
                              *({stream} for stream in chosen.entries)]]
    groups = [group for group in groups if group]
    for number, group in enumerate(groups):
        places = chosen.places_of(next(iter(group)).rows)
        found |= _gradients_of_one_batch(chosen.scores, places, group,
                                         keep_graph=not last or number < len(groups) - 1)
    for place in reached:
        if place.reaches_target and place not in found and isinstance(place, Site):
            raise CaptureError(f"No gradient reaches the attention map of {place.module} (call {place.call + 1}).",
                               "It is computed but not used, or the graph does not start before it.")
    return found


def gradient_within(value: Tensor, gradient: Float[Tensor, "turns ..."], reached: Reached, places: Places) -> Tensor:
    """What a gradient at something is at what it is made of, for each item; the graph is kept.

    Args:
        value: in the graph, and behind what is reached.
        gradient: at `value`, of each turn.
    """
    batched = len(gradient) > 1
    found = torch.autograd.grad(value, reached.in_graph, gradient if batched else gradient[0], retain_graph=True,
                                is_grads_batched=batched)
    return reached.of_items(list(found), places, batched)


def _gradients_of_one_batch(scores: Float[Tensor, " items"], places: Places, reached: Mapping[P, Reached], *,
                            keep_graph: bool) -> dict[P, Tensor]:
    """One backward for all items whose entries differ; items of one entry take turns in a batched one."""
    count = max(places.turns) + 1
    weights = torch.ones_like(scores)
    if count > 1:
        weights = (places.turn_index == torch.arange(count, device=scores.device)[:, None]).to(scores.dtype)
    inside = {place: one.in_graph for place, one in reached.items() if one.in_graph[0].requires_grad}
    each = iter(torch.autograd.grad(scores, [one for several in inside.values() for one in several], weights,
                                    is_grads_batched=count > 1, allow_unused=True,
                                    retain_graph=keep_graph) if inside else ())
    found = {place: [next(each) for _ in several] for place, several in inside.items()}
    return {place: reached[place].of_items(gradients, places, count > 1)
            for place, gradients in found.items() if gradients[0] is not None}
