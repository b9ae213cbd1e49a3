"""What of a batch that was run can be hidden in its inputs, by the family's declaration, part by part.

A patch takes the mean colour, and so does what is behind an image token of a prompt. A region is masked, which equals
leaving it out. A word is left out, which shifts what is behind it; in a prompt, whose answer must stay in its place, it
is masked, so that no other token sees it; and where a class looks at padding, the padding token takes its place. An
answer that the model writes stays as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from mmx.arrays import Bool, Float, Int
from mmx.capture import Hideable, Outputs
from mmx.families.base import Family, PatchedPixels, Pixels, Prompt, PromptPixels, Regions, Reread, Text, Written
from mmx.wiring.grids import Inputs, block_of, grid_of, patch_grid
from mmx.wiring.hiding import ends_of, faded, only_kept, padding_token
from mmx.wiring.parts import places_of_parts, valid_part

Hidden = Callable[[Inputs, Float[Tensor, "entries tokens"]], Inputs]
_SHOWN = 0.5


def hideable(network: nn.Module, family: Family, inputs: Inputs, outputs: Outputs,
             sizes: Mapping[str, int]) -> list[Hideable]:
    """Of each part that is asked with, of every stream of so many tokens."""
    whole = _Whole(network, family, family.completed(inputs), outputs)
    return [one for stream, size in sizes.items() for one in whole.of_stream(stream, size)]


@dataclass(frozen=True)
class _Whole:
    """A batch that was run, with nothing hidden."""

    network: nn.Module
    family: Family
    inputs: Inputs
    outputs: Outputs

    def of_stream(self, stream: str, size: int) -> Iterator[Hideable]:
        by_part = {one.part: one for one in self.family.inputs if not isinstance(one, Written)}
        tokens = {part.name: part.token for part in self.family.parts(stream)}
        for name, where in places_of_parts(self.family, stream, size, self.inputs, self.network.config):
            one = by_part.get(name)
            if one is None:
                continue
            here = self._here(where, len(self.inputs[one.names[0]]) if isinstance(one, Text | Regions)
                              else len(self.outputs["logits"]))
            if isinstance(one, Pixels):
                patches = self._into if tokens[name] else None
                free, hidden, places = self._pictures(one, here, patches)
            elif isinstance(one, Regions):
                free, hidden, places = *self._regions(one, here), None
            else:
                free, hidden, places = *self._words(one, here, stream, size), None
            shown = torch.zeros(len(here), size, dtype=torch.bool, device=here.device).scatter(1, here, free)
            yield Hideable(stream, shown, hidden, None if places is None else _spread(places, here, size))

    def _here(self, where: slice | Int[Tensor, "batch tokens"], entries: int) -> Int[Tensor, "entries tokens"]:
        if isinstance(where, slice):
            return torch.arange(where.start, where.stop, device=self.outputs["logits"].device).expand(entries, -1)
        return where

    @cached_property
    def _into(self) -> Int[Tensor, "batch patches"]:
        """The token of the language model's stream that each patch becomes a part of, -1 for none."""
        assert self.family.tower is not None
        return self.family.tower.into(self.network, self.inputs).to(self.outputs["logits"].device)

    def _pictures(self, one: Pixels, here: Int[Tensor, "entries tokens"], into: Int[Tensor, "batch patches"] | None,
                  ) -> tuple[Bool[Tensor, "entries tokens"], Hidden, Float[Tensor, "#entries tokens 2"] | None]:
        """`into`: of image tokens, which are made of patches."""
        [name, *_] = one.names
        whole = self.inputs[name]
        prompted = isinstance(one, PromptPixels)
        each = whole.unflatten(0, (len(here), -1)) if prompted else whole
        grid, block = None, (1, 1)
        if each.dim() > 3:
            views = each.flatten(0, -4)
            cells = None if one.cells is None else self.outputs[one.cells].shape[1]
            grid = patch_grid(one, views, self.network.config) if cells is None else grid_of(views, cells)
            block = block_of(one, views, self.network.config, cells)
        patches = torch.Size(each.shape[1:-3] or (1,)).numel() * grid[0] * grid[1] if grid else each.shape[1]
        valid = None if prompted else valid_part(one, self.inputs, self.outputs)
        free = torch.ones_like(here, dtype=torch.bool) if valid is None else valid
        places = self._in_views(one, grid, patches)
        if into is not None:
            into = into[:, :patches]
            places = None if places is None else _mean_places(places, into, here)

        def hidden(inputs: Inputs, shown: Float[Tensor, "entries tokens"]) -> Inputs:
            if into is None:
                share = shown.gather(1, here)
            else:
                share = shown.gather(1, into.clamp(min=0)).masked_fill(into < 0, 1)
            found = faded(each, share, grid, block)
            return {**inputs, name: found.flatten(0, 1) if prompted else found}

        return free, hidden, places

    def _in_views(self, one: Pixels, grid: tuple[int, int] | None,
                  patches: int) -> Float[Tensor, "#entries {patches} 2"] | None:
        """Where patches are: down, and across all views."""
        number = torch.arange(patches, device=self.outputs["logits"].device)
        if grid is not None:
            rows, columns = (torch.tensor([[side]], device=number.device) for side in grid)
        elif isinstance(one, PatchedPixels):
            rows, columns = self.inputs["spatial_shapes"].to(number.device).T.unsqueeze(2)
        else:  # in blocks, in whose order only the class knows
            return None
        view, inside = number // (rows * columns) * (grid is not None), number % (rows * columns)
        return torch.stack([(inside // columns + 0.5) / rows, view + (inside % columns + 0.5) / columns], dim=2)

    def _regions(self, one: Regions, here: Int[Tensor, "entries tokens"],
                 ) -> tuple[Bool[Tensor, "entries tokens"], Hidden]:
        given = self.inputs.get(one.mask, torch.ones_like(here))

        def hidden(inputs: Inputs, shown: Float[Tensor, "entries tokens"]) -> Inputs:
            return {**inputs, one.mask: given * (shown.gather(1, here) > _SHOWN)}

        return given.bool(), hidden

    def _words(self, one: Text, here: Int[Tensor, "entries tokens"], stream: str,
               size: int) -> tuple[Bool[Tensor, "entries tokens"], Hidden]:
        ids = self.inputs[one.names[0]]
        in_ids = here if isinstance(one, Prompt) else torch.arange(here.shape[1], device=here.device).expand_as(here)
        valid = valid_part(one, self.inputs, self.outputs)
        there = (torch.ones_like(ids, dtype=torch.bool) if valid is None else valid).gather(1, in_ids)
        padding = padding_token(one, self.network.config)
        if isinstance(one, Prompt | Reread):
            def masked(inputs: Inputs, shown: Float[Tensor, "entries tokens"]) -> Inputs:
                mask = self.inputs.get(one.mask, torch.ones_like(ids))
                left = mask.gather(1, in_ids) * (shown.gather(1, here) > _SHOWN)
                return {**inputs, one.mask: mask.scatter(1, in_ids, left.to(mask.dtype))}

            return there, masked
        free = there & ~ends_of(there) & ~self._read_at(stream, size, here)

        def left_out(inputs: Inputs, shown: Float[Tensor, "entries tokens"]) -> Inputs:
            kept = there & ((shown.gather(1, here) > _SHOWN) | ~free)
            if one.padding == "never":
                return {**inputs, one.names[0]: torch.where(kept, ids, padding)}
            left = only_kept(one, self.inputs, torch.arange(len(ids), device=ids.device), kept, ids.shape[1])
            behind = torch.arange(ids.shape[1], device=ids.device) >= kept.sum(dim=1, keepdim=True)
            return {**inputs, **left, one.names[0]: left[one.names[0]].masked_fill(behind, padding)}

        return free, left_out

    def _read_at(self, stream: str, size: int, here: Int[Tensor, "entries tokens"]) -> Bool[Tensor, "entries tokens"]:
        """The tokens whose rows explain a score."""
        found = torch.zeros_like(here, dtype=torch.bool)
        for read in self.family.reads:
            if read.stream == stream and read.weights is None and read.row is not None:
                row: Any = read.row % size if isinstance(read.row, int) else read.row(
                    self.inputs, self.outputs)[:, None]
                found = found | (here == row)
        return found


def _mean_places(places: Float[Tensor, "#entries patches 2"], into: Int[Tensor, "entries patches"],
                 here: Int[Tensor, "entries tokens"]) -> Float[Tensor, "entries tokens 2"]:
    """Of image tokens, each in the middle of its patches; -1 where it has none."""
    size = int(here.max()) + 1
    places = places.expand(len(into), -1, -1)
    at = into.clamp(min=0)
    weight = (into >= 0).to(places.dtype)
    count = places.new_zeros(len(into), size).scatter_add(1, at, weight)
    summed = places.new_zeros(len(into), size, 2).scatter_add(1, at.unsqueeze(2).expand_as(places),
                                                              places * weight.unsqueeze(2))
    mean = torch.where(count.unsqueeze(2) > 0, summed / count.unsqueeze(2).clamp(min=1), -1)
    return mean.gather(1, here.unsqueeze(2).expand(-1, -1, 2))


def _spread(places: Float[Tensor, "#entries part 2"], here: Int[Tensor, "entries part"],
            size: int) -> Float[Tensor, "entries {size} 2"]:
    """Of all tokens of the stream; -1 of the others."""
    places = places.expand(len(here), -1, -1)
    return places.new_full((len(here), size, 2), -1).scatter(1, here.unsqueeze(2).expand_as(places), places)
