"""How much is removed, step by step, which words and regions stay, and how equal scores are told apart.

`iccv21` is what the reference computes. `clean` removes in even steps of a tenth, rounded to the nearest word or
region where the reference cuts off a float, does not let padding count, draws ties from a seed, and
takes exactly the samples that were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

from mmx.arrays import Bool, Float, Int
from mmx.errors import UsageError, unknown_name
from mmx.reference import Reference

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.perturbation.removal import Parts

Name = Literal["iccv21", "clean"]
Modality = Literal["image", "text"]
Sign = Literal["positive", "negative"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
SIGNS: tuple[Sign, ...] = get_args(Sign)

TENTHS = tuple(tenth / 10 for tenth in range(11))


@dataclass(frozen=True)
class RemovalProtocol:
    """One way to run the test.

    Attributes:
        steps: the shares that are removed, in order, by modality.
        is_reference: it has the reference's accidents.
        unmasks_regions, takes_one_more: see `mmx.reference`.
    """

    name: Name
    steps: Mapping[str, tuple[float, ...]]
    is_reference: bool
    unmasks_regions: bool = False
    takes_one_more: bool = False

    def kept_counts(self, modality: str, removable: Int[Tensor, " batch"]) -> Int[Tensor, "batch steps"]:
        """How many of `removable` words or regions each step keeps."""
        import torch

        shares, numbers = torch.tensor(self.steps[modality], dtype=torch.float64), removable.cpu()[:, None]
        kept = (1 - shares) * numbers if self.is_reference else numbers - (shares * numbers + 0.5).floor()
        return kept.long().to(removable.device)


def protocol_named(name: str, reference: Reference, steps: Sequence[float] | None = None) -> RemovalProtocol:
    """The protocol of this name for a model that the reference tests so; `steps` takes the place of its own.

    Raises:
        UsageError: no such name, or steps that are no growing shares.
    """
    if name not in get_args(Name):
        raise unknown_name("protocol", name, list(get_args(Name)))
    own = None if steps is None else _for_all(growing_shares(steps))
    if name == "clean":
        return RemovalProtocol("clean", own or _for_all(TENTHS), is_reference=False)
    return RemovalProtocol("iccv21", own or reference.steps, is_reference=True,
                           unmasks_regions=reference.unmasks_regions, takes_one_more=reference.takes_one_more)


def _for_all(steps: tuple[float, ...]) -> dict[str, tuple[float, ...]]:
    return {modality: steps for modality in MODALITIES}


def growing_shares(steps: Sequence[float]) -> tuple[float, ...]:
    """Raises UsageError where these are none."""
    found = tuple(float(step) for step in steps)
    grows = all(low < high for low, high in pairwise(found))
    if len(found) < 2 or not grows or not (found[0] >= 0 and found[-1] <= 1):
        raise UsageError(f"The steps {', '.join(f'{step:g}' for step in found)} cannot be run.",
                         "Give two or more growing shares from 0 to 1, such as 0,0.5,1.")
    return found


def kept_by_step(scores: Float[Tensor, "_batch _tokens"], modality: str, sign: str, protocol: RemovalProtocol,
                 parts: Parts,
                 ties: Float[Tensor, "_batch _tokens"] | None = None) -> Bool[Tensor, "batch steps tokens"]:
    """What is kept at each step.

    "positive" removes the most relevant first, "negative" the least relevant, by scores as they are: where some are
    below zero, evidence against goes last in the one and first in the other. The reference scales scores to [0, 1]
    before, which keeps their order.

    Args:
        scores: one row for each sample.
        ties: distinct numbers; of equal scores the one with the smaller number stays longer. Without,
            the first one does.
    """
    import torch

    if modality not in MODALITIES:
        raise unknown_name("modality", modality, list(MODALITIES))
    if sign not in SIGNS:
        raise unknown_name("sign", sign, list(SIGNS))
    present, removable = parts.present[modality], parts.removable[modality]
    if scores.shape != present.shape:
        raise UsageError(f"The scores of the {modality} have shape {tuple(scores.shape)}, not {tuple(present.shape)}.",
                         "Give one row for each sample.")
    worth = (-scores if sign == "positive" else scores).masked_fill(~removable, -torch.inf)
    places = torch.arange(worth.shape[1], device=worth.device).expand_as(worth)
    ahead = places if ties is None else ties.argsort(dim=1).to(worth.device)
    order = ahead.gather(1, worth.gather(1, ahead).argsort(dim=1, descending=True, stable=True))
    rank = torch.empty_like(order).scatter_(1, order, places)
    counts = protocol.kept_counts(modality, removable.sum(dim=1))
    stays = rank[:, None] < counts[..., None]
    return (stays & removable[:, None]) | (present & ~removable)[:, None]


def drawn_ties(seeds: Sequence[int], size: int) -> Float[Tensor, "{len(seeds)} {size}"]:
    """What settles ties among `size` tokens of each seed: a token's is the same however many follow."""
    import numpy as np
    import torch

    return torch.from_numpy(np.stack([np.random.default_rng(seed).random(size) for seed in seeds]))


def chosen_names(what: str, names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """In the order of those known; "all" stands for every one."""
    for name in names:
        if name not in (*known, "all"):
            raise unknown_name(what, name, [*known, "all"])
    return tuple(name for name in known if name in names or "all" in names)
