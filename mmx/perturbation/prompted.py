"""What can be removed of prompts that pictures stand in: words of the question, and what image tokens show.

A language model reads both in one stream. A word is left out, which shifts what is behind it; the chat template and the
answer stay. An image token stays too, but the patches of the vision tower that become a part of it take the mean
colour. They are those of its own view: where views show the same place of a picture, each has image tokens of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmx.arrays import Bool, Int, Shaped
from mmx.asking.tokens import Spans
from mmx.families.base import Completion, Prompt, PromptPixels, Tiling, Written
from mmx.perturbation.removal import Parts, Removal
from mmx.wiring import Inputs, block_of, faded, only_kept, patch_grid


@dataclass(frozen=True)
class PromptRemoval(Removal):
    """A network that can be run on a part of one batch of prompts, each about a picture.

    Attributes:
        questions: which tokens of each prompt, without its image tokens, are words of the question.
        tilings: where the image tokens of each picture lie.
        padding: the token that prompts are padded with where an answer is written behind them.
    """

    questions: tuple[tuple[bool, ...], ...]
    tilings: tuple[Tiling, ...]
    padding: int

    @cached_property
    def _prompt(self) -> Prompt:
        return next(one for one in self.family.inputs if isinstance(one, Prompt))

    @cached_property
    def _pixels(self) -> PromptPixels:
        return next(one for one in self.family.inputs if isinstance(one, PromptPixels))

    @cached_property
    def _into(self) -> Int[Tensor, "batch patches"]:
        """The image token that each patch becomes a part of, -1 for none."""
        return torch.tensor([tiling.into for tiling in self.tilings], device=self.network.device)

    def parts(self, inputs: Inputs, padding_counts: bool = False) -> Parts:
        """What prompts consist of; padding is never a part. Image tokens without a place in the picture stay."""
        ids, mask = (inputs[name] for name in self._prompt.names)
        words = mask[~self._is_image(ids)].view(len(ids), -1).bool()
        asked = pad_sequence([torch.tensor(one, device=ids.device) for one in self.questions], batch_first=True)
        number = words.cumsum(dim=1) - 1
        in_prompt = words & (number < asked.shape[1])
        questions = in_prompt & asked.gather(1, number.clamp(0, asked.shape[1] - 1))
        placed = torch.zeros(len(ids), self.tilings[0].tokens.count, dtype=torch.bool)
        for shown, tiling in zip(placed, self.tilings, strict=True):
            shown[list(tiling.tokens.order)] = True
        placed = placed.to(ids.device)
        image, text = self._pixels.part, self._prompt.part
        return Parts({image: torch.ones_like(placed), text: words}, {image: placed, text: questions})

    def reduced(self, inputs: Inputs, samples: Int[Tensor, " rows"], kept: Mapping[str, Bool[Tensor, "rows _tokens"]],
                sizes: Mapping[str, int]) -> Inputs:
        """What is left of prompts, padded behind; see `Removal`."""
        ids, mask = self._prompt.names
        beside = {name for one in self.family.inputs if isinstance(one, Written) and not isinstance(one, Completion)
                  for name in one.names}
        of_tokens = [name for name in inputs if name not in beside and inputs[name].shape == inputs[ids].shape]
        is_image = self._is_image(inputs[ids][samples])
        stays = torch.ones_like(is_image).masked_scatter(~is_image, kept[self._prompt.part])
        size = int(is_image[0].sum()) + sizes[self._prompt.part]
        left = only_kept(replace(self._prompt, names=tuple(of_tokens)), inputs, samples, stays, size)
        found = {name: value.masked_fill(left[mask] == 0, 0) for name, value in left.items()}
        found |= {name: inputs[name][samples] for name in beside if name in inputs}
        for name in (name for name in inputs if name not in found):  # of pictures, one sample after another
            each = inputs[name].unflatten(0, (len(inputs[ids]), -1))[samples]
            each = self._painted_views(each, samples, kept[self._pixels.part]) if name == "pixel_values" else each
            found[name] = each.flatten(0, 1)
        return found

    def moved(self, target: Spans, reduced: Inputs) -> Spans:
        """Nearer to the start by the words that are gone before the answer, where it stands behind them."""
        if not self._goes_on:
            return target
        counts = reduced[self._prompt.mask].sum(dim=1).tolist()
        return target.earlier([stop - count for (_, stop), count in zip(target.answers, counts, strict=True)])

    def asked(self, reduced: Inputs, target: Spans) -> Inputs:
        """Prompts without answers, padded in front, as a model that goes on writing needs it."""
        if not self._goes_on:
            return super().asked(reduced, target)
        name, _ = self._prompt.names
        ids = reduced[name]
        starts = torch.tensor([start for start, _ in self.moved(target, reduced).answers], device=ids.device)
        before = torch.arange(ids.shape[1], device=ids.device) < starts[:, None]
        order = before.byte().argsort(dim=1, stable=True)[:, -int(starts.max()):]
        kept = before.gather(1, order)
        return {one: value.gather(1, order).masked_fill(~kept, self.padding if one == name else 0)
                if value.shape == ids.shape else value for one, value in reduced.items()}

    @property
    def _goes_on(self) -> bool:
        """Whether the answer stands behind the prompt."""
        return any(isinstance(one, Completion) for one in self.family.inputs)

    def _is_image(self, ids: Int[Tensor, "rows tokens"]) -> Bool[Tensor, "rows tokens"]:
        return ids == self.network.config.image_token_id

    def _painted_views(self, pixels: Shaped[Tensor, "rows ..."], samples: Int[Tensor, " rows"],
                       kept: Bool[Tensor, "rows _tokens"]) -> Shaped[Tensor, "rows ..."]:
        """`pixels`: (rows, patches, numbers), or views, (rows, ..., channels, height, width)."""
        into, config = self._into[samples], self.network.config
        shown = (into < 0) | kept.gather(1, into.clamp(min=0))
        if pixels.dim() == 3:
            return faded(pixels, shown)
        views = pixels.flatten(0, -4)
        return faded(pixels, shown, patch_grid(self._pixels, views, config),
                     block_of(self._pixels, views, config, None))
