"""What can be removed from encoded inputs, by the family's declaration: words, regions, or patches of a picture.

An answer that the model writes stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from mmx.arrays import Bool, Int, Shaped
from mmx.asking.tokens import Spans
from mmx.capture import Outputs
from mmx.errors import UsageError
from mmx.families.base import Family, Input, PatchedPixels, Pixels, Prompt, Regions, Text, Written
from mmx.reference import Reference
from mmx.wiring import Inputs, block_of, faded, only_kept, patch_grid, run_without

__all__ = ["Inputs", "Parts", "Removal"]


@dataclass(frozen=True)
class Parts:
    """The tokens of a batch by modality: those there are, and those that may go."""

    present: Mapping[str, Bool[Tensor, "batch _tokens"]]
    removable: Mapping[str, Bool[Tensor, "batch _tokens"]]


@dataclass(frozen=True)
class Removal:
    """A network that can be run on a part of its inputs.

    Words and regions are left out, which shifts the words behind them; patches of a picture take its mean colour, 0
    after normalisation.
    """

    network: PreTrainedModel
    family: Family

    @property
    def reference(self) -> Reference:
        """What the reference's test does with this kind of model."""
        return self.family.reference

    @cached_property
    def _by_part(self) -> dict[str, Text | Pixels | Regions]:
        return {one.part: one for one in self.family.inputs if not isinstance(one, Written)}

    @property
    def pads_texts(self) -> bool:
        """Whether texts of several lengths can run together."""
        return not any(isinstance(one, Text) and one.padding == "never" for one in self.family.inputs)

    @property
    def things(self) -> dict[str, str]:
        """What each modality consists of: "words", "regions" or "patches"."""
        return {part: one.consists_of for part, one in self._by_part.items()}

    def parts(self, inputs: Inputs, padding_counts: bool = False) -> Parts:
        """What inputs consist of; padding is a part where that counts.

        Raises:
            UsageError: they are prompts, of which tensors alone do not say where the question is.
        """
        if any(isinstance(one, Prompt) for one in self.family.inputs):
            raise UsageError("Of an encoded prompt it is not known which tokens are the question's.",
                             "Give pictures and questions: `mmx.perturb`.")
        present = {}
        for part, one in self._by_part.items():
            counts = padding_counts and (self.reference.padded_words_count or not isinstance(one, Text))
            present[part] = self._present(one, inputs, counts)
        removable = {part: mask & ~self._fixed(mask, inputs) if isinstance(self._by_part[part], Text) else mask
                     for part, mask in present.items()}
        return Parts(present, removable)

    def _present(self, one: Input, inputs: Inputs, padding_counts: bool) -> Bool[Tensor, "batch tokens"]:
        first = inputs[one.names[0]]
        if isinstance(one, Pixels) and not isinstance(one, PatchedPixels):
            rows, columns = patch_grid(one, first, self.network.config)
            return torch.ones(len(first), rows * columns, dtype=torch.bool, device=first.device)
        if padding_counts or one.mask not in inputs:
            return torch.ones(first.shape[:2], dtype=torch.bool, device=first.device)
        return inputs[one.mask].bool()

    def _fixed(self, present: Bool[Tensor, "batch tokens"], inputs: Inputs) -> Bool[Tensor, "batch tokens"]:
        """Words that stay whatever happens: the first and the last one, and the one at which the answer is read."""
        number = present.cumsum(dim=1)
        fixed = present & ((number == 1) | (number == number[:, -1:]))
        places = torch.arange(present.shape[1], device=present.device)
        for read in self.family.reads:
            if callable(read.row):
                fixed = fixed | (places == read.row(self.family.completed(inputs), {})[:, None])
        return fixed

    def lengths(self, kept: Mapping[str, Bool[Tensor, "rows _tokens"]]) -> dict[str, Int[Tensor, " rows"]]:
        """Tokens of reduced inputs by modality: a picture has all of its patches, whatever they show."""
        return {part: torch.full_like(mask.sum(dim=1), mask.shape[1]) if isinstance(self._by_part[part], Pixels)
                else mask.sum(dim=1) for part, mask in kept.items()}

    def reduced(self, inputs: Inputs, samples: Int[Tensor, " rows"], kept: Mapping[str, Bool[Tensor, "rows _tokens"]],
                sizes: Mapping[str, int]) -> Inputs:
        """What is left of inputs, as the model's forward takes it.

        Args:
            inputs: the whole samples.
            samples: the sample that each row is made of.
            kept: what is kept of it, by modality.
            sizes: tokens that rows are padded to by modality, 1 at least; no row keeps more.
        """
        known = {name for one in self.family.inputs for name in one.names}
        if strange := set(inputs) - known:
            raise UsageError(f"mmx cannot drop a part of the input {', '.join(sorted(strange))}.",
                             f"Give only {', '.join(sorted(known))}.")
        reduced = {name: inputs[name][samples] for one in self.family.inputs if isinstance(one, Written)
                   for name in one.names if name in inputs}
        for part, one in self._by_part.items():
            if isinstance(one, Pixels):
                reduced |= self._painted_over(one, inputs, samples, kept[part])
            else:
                reduced |= only_kept(one, inputs, samples, kept[part], sizes[part])
        return reduced

    def run(self, reduced: Inputs, more: Mapping[str, Any] = MappingProxyType({})) -> Outputs:
        """What the model says of what is left. `more`: arguments of its forward beside the inputs."""
        return run_without(self.network, self.family, reduced, more)

    def moved(self, target: Spans, reduced: Inputs) -> Spans:
        """Where what is explained of whole inputs is in what is left of them."""
        return target

    def asked(self, reduced: Inputs, target: Spans) -> Inputs:
        """What is left without the answers, which `target` says where they were in the whole."""
        answers = {name for one in self.family.inputs if isinstance(one, Written) for name in one.names}
        return {name: value for name, value in reduced.items() if name not in answers}

    def _painted_over(self, one: Pixels, inputs: Inputs, samples: Int[Tensor, " rows"],
                      kept: Bool[Tensor, "rows patches"]) -> dict[str, Shaped[Tensor, "rows ..."]]:
        pixels, grid, block = inputs["pixel_values"][samples], None, (1, 1)
        if not isinstance(one, PatchedPixels):
            grid = patch_grid(one, pixels, self.network.config)
            block = block_of(one, pixels, self.network.config, None)
        rest = {name: inputs[name][samples] for name in one.names[1:] if name in inputs}
        return {"pixel_values": faded(pixels, kept, grid, block), **rest}

    def unmasked(self, inputs: Inputs) -> Inputs:
        """Inputs whose padded regions are looked at like any other."""
        masks = {one.mask for one in self.family.inputs if isinstance(one, Regions)}
        return {name: value for name, value in inputs.items() if name not in masks}
