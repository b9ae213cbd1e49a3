"""Asks every patch that the decoder is given what lies on it, in the decoder's own words.

A patch is to resemble the words for the colour and the shape of what lies on it, "right" or "left" by its place, and,
at a thing's centre, the plural that it is counted by; heads that are thrown away ask for sizes and places, and which
thing from the left it is: a description goes from one to the next, and that is hard to see from places alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from mmx.shapes.questions import PLURALS
from mmx.shapes.train.pool import GROUND, MOST_THINGS, Pool, names_loss, turned
from mmx.shapes.train.vit import Batch
from mmx.shapes.world import COLORS, SHAPES, Scene

_COLOR_SCALE, _SHAPE_SCALE, _STEEPNESS = 6, 4, 12
_GROUND_WEIGHT, _SHAPE_WEIGHT, _COUNT_WEIGHT = 0.2, 2, 3
_SIZE_WEIGHT, _PLACE_WEIGHT, _CENTRE_WEIGHT, _CENTRE_SHARE, _ORDER_WEIGHT = 10, 5, 2, 5, 2


class PatchWords(nn.Module):
    def __init__(self, hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__()
        ids = tokenizer.get_vocab()
        self._colors, self._shapes, self._plurals = (
            [ids[word] for word in words] for words in (COLORS, SHAPES, PLURALS.values()))
        self._left, self._right, self._things = (ids[word] for word in ("left", "right", "things"))
        self._ground = nn.Parameter(torch.zeros(2, hidden_size))
        self._none = nn.Parameter(torch.zeros(hidden_size))
        self._head = nn.Linear(hidden_size, 7)
        self._order = nn.Linear(hidden_size, MOST_THINGS)

    def loss(self, patches: Tensor, words: Tensor, pool: Pool, places: Tensor, batch: Batch,
             ordered: bool) -> Tensor:
        """Of patches (batch, patches, d), by the decoder's embeddings `words` (vocabulary, d).

        `places` holds the centres of the pool's things, (scenes, 7, 2); `ordered`: which thing from the left is asked.
        """
        scenes, quarters, mirrored = batch
        patches = patches * patches.square().mean(dim=2, keepdim=True).add(1e-6).rsqrt()
        names = turned(pool.names_of_cells(scenes), quarters, mirrored)
        side = names.shape[-1]
        things = turned(pool.cells[scenes], quarters, mirrored).flatten(1)
        centres = turned_places(places[scenes], quarters, mirrored)
        sizes = pool.boxes[scenes][..., 2:]
        sizes = sizes.flip(2) if quarters % 2 else sizes

        def alike(chosen: list[int], scale: float, other: Tensor) -> Tensor:
            return patches @ torch.cat([scale * words[chosen], other[None]]).T

        is_ground = names == GROUND
        shape_names = (names % len(SHAPES)).masked_fill(is_ground, len(SHAPES))
        found = names_loss(alike(self._colors, _COLOR_SCALE, self._ground[0]), names // len(SHAPES), _GROUND_WEIGHT)
        found = found + _SHAPE_WEIGHT * names_loss(
            alike(self._shapes, _SHAPE_SCALE, self._ground[1]), shape_names, _GROUND_WEIGHT)

        sample, cell = (things >= 0).nonzero(as_tuple=True)
        thing = things[sample, cell]
        on_things, place = patches[sample, cell], centres[sample, thing]
        is_right = (on_things @ (words[self._right] - words[self._left]))
        found = found + nn.functional.binary_cross_entropy_with_logits(
            is_right, (_STEEPNESS * (place[:, 0] - 0.5)).sigmoid())

        of, which = _are_there(centres, pool.counts[scenes]).nonzero(as_tuple=True)
        column, row = (side * centres[of, which]).long().clamp(0, side - 1).unbind(1)
        kinds = torch.full((len(scenes), side * side), len(SHAPES))
        kinds[of, row * side + column] = pool.labels[scenes][of, which] % len(SHAPES)
        counted = alike(self._plurals, 1, self._none)
        is_centre = (kinds < len(SHAPES)).float()
        found = found + _COUNT_WEIGHT * (
            nn.functional.cross_entropy(counted.flatten(0, 1), kinds.flatten())
            + nn.functional.binary_cross_entropy_with_logits(
                patches @ words[self._things] - counted[..., -1], is_centre))

        order = places_from_left(centres, pool.counts[scenes])[sample, thing]
        if ordered:
            found = found + _ORDER_WEIGHT * nn.functional.cross_entropy(self._order(on_things), order)

        told = self._head(patches)
        at_cell = torch.stack([cell % side, cell // side], dim=1).add(0.5) / side
        size, offset, absolute = told[sample, cell][:, :6].split(2, dim=1)
        found = found + _SIZE_WEIGHT * ((size - sizes[sample, thing]).abs().mean()
                                        + (offset - (place - at_cell)).abs().mean())
        found = found + _PLACE_WEIGHT * (absolute - place).abs().mean()
        return found + _CENTRE_WEIGHT * nn.functional.binary_cross_entropy_with_logits(
            told[..., 6], is_centre, pos_weight=torch.tensor(float(_CENTRE_SHARE)))


def places_of(scenes: Sequence[Scene], most_things: int) -> Tensor:
    """The centres of their things, (scenes, most_things, 2), 0 in padding."""
    found = torch.zeros(len(scenes), most_things, 2)
    for row, scene in zip(found, scenes, strict=True):
        row[:len(scene.things)] = torch.tensor([(thing.x, thing.y) for thing in scene.things])
    return found


def places_from_left(places: Tensor, counts: Tensor) -> Tensor:
    """How many things stand left of each, (scenes, most_things); padding comes last."""
    return places[..., 0].masked_fill(~_are_there(places, counts), torch.inf).argsort(dim=1).argsort(dim=1)


def _are_there(places: Tensor, counts: Tensor) -> Tensor:
    return torch.arange(places.shape[1]) < counts[:, None]


def turned_places(places: Tensor, quarters: int, mirrored: bool) -> Tensor:
    for _ in range(quarters % 4):
        places = torch.stack([places[..., 1], 1 - places[..., 0]], dim=-1)
    return torch.stack([1 - places[..., 0], places[..., 1]], dim=-1) if mirrored else places
