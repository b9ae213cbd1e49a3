"""Dropping words of a question and regions of a picture out of encoded inputs, for the perturbation test."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mmx.errors import UsageError
from mmx.families.base import Inputs

MASKS = {"text": "attention_mask", "image": "visual_attention_mask"}
LXMERT_STEPS = (0, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95, 1)


@dataclass(frozen=True)
class ReferenceTest:
    """What the reference's perturbation test does with one family.

    Attributes:
        steps: the shares that are removed, by modality.
        unmasks_regions: where regions are removed, padded ones that stay are looked at like any other.
        takes_one_more: one sample more than asked for is summed up, but not divided by.
    """

    steps: Mapping[str, tuple[float, ...]]
    unmasks_regions: bool = False
    takes_one_more: bool = False


def only_kept(inputs: Inputs, parts: Mapping[str, tuple[str, ...]], samples: Tensor, kept: Mapping[str, Tensor],
              sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Rows of reduced inputs: what is kept of a sample moves up, in order, and the rest is padded and masked.

    Removing a region equals masking it, but removing a word shifts the positions behind it.

    Args:
        inputs: what the model's forward takes, (batch, tokens, ...) each.
        parts: names of the inputs of each modality, "text" and "image".
        samples: the sample that each row is made of, (rows,).
        kept: what is kept of it, (rows, tokens) bool, by modality.
        sizes: tokens of the result by modality, 1 at least; no row keeps more.
    """
    known = {name for names in parts.values() for name in names}
    if strange := set(inputs) - known:
        raise UsageError(f"mmx cannot drop a part of the input {', '.join(sorted(strange))}.",
                         f"Give only {', '.join(sorted(known))}.")
    reduced: dict[str, Tensor] = {}
    for modality, names in parts.items():
        mask, size = kept[modality], sizes[modality]
        places = (~mask).to(torch.uint8).argsort(dim=1, stable=True)[:, :size]
        filled = torch.arange(size, device=mask.device) < mask.sum(dim=1, keepdim=True)
        for name in names:
            if name == MASKS[modality]:
                given = inputs.get(name)
                seen = filled if given is None else filled & given[samples[:, None], places].bool()
                reduced[name] = seen.to(torch.long if given is None else given.dtype)
            elif name in inputs:
                reduced[name] = inputs[name][samples[:, None], places]
    return reduced
