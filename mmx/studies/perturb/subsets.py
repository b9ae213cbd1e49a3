"""Which words and regions each step keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmx.errors import UsageError
from mmx.families._vqa import VqaFamily
from mmx.families.base import Inputs
from mmx.registry import unknown_name
from mmx.studies.perturb.protocol import MODALITIES, SIGNS, Protocol


@dataclass(frozen=True)
class Parts:
    """The words and regions of a batch, (batch, tokens) bool by modality: those there are, and those that may go."""

    present: Mapping[str, Tensor]
    removable: Mapping[str, Tensor]


def parts_of(family: VqaFamily, inputs: Inputs, padding_counts: bool) -> Parts:
    present = family.present(inputs, padding_counts)
    words = present["text"] & ~family.never_removed(inputs, present["text"])
    return Parts(present, {"text": words, "image": present["image"]})


def kept_by_step(scores: Tensor, modality: str, sign: str, protocol: Protocol, parts: Parts,
                 ties: Tensor | None = None) -> Tensor:
    """What is kept at each step, (batch, steps, tokens) bool.

    "positive" removes the most relevant first, "negative" the least relevant. The reference scales scores to [0, 1]
    before, which keeps their order.

    Args:
        scores: (batch, tokens).
        ties: distinct numbers, (batch, tokens); of equal scores the one with the smaller number stays longer. Without,
            the first one does.
    """
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


def drawn_ties(seeds: Sequence[int], size: int) -> Tensor:
    """Lots for `size` tokens of each seed, (batch, size): those of a token are the same however many there are."""
    return torch.from_numpy(np.stack([np.random.default_rng(seed).random(size) for seed in seeds]))
