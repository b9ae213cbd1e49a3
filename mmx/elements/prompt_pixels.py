"""Pictures in a prompt: whole, in tiles or in patches, as the checkpoint's processor cuts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx.arrays import Shaped
from mmx.capture import Outputs
from mmx.elements.base import Located, Prepared
from mmx.elements.pixels import PixelEncoder
from mmx.elements.prompting import Prompting
from mmx.errors import CheckpointError
from mmx.families.base import TOKENS, Shown, Tiling
from mmx.images import open_picture
from mmx.results import Asked, Patches, Picture
from mmx.wiring import Inputs

_FEW = 64
"""Whole numbers, such as a grid's rows and columns, that decide what is done with a picture."""


@dataclass(frozen=True)
class PreparedPictures(Prepared):
    """The pictures of one prompt, and where their image tokens lie."""

    pictures: tuple[Picture, ...] = ()
    tilings: tuple[Tiling, ...] = ()


class PromptPixelEncoder(PixelEncoder):
    about = "processor"

    @cached_property
    def prompting(self) -> Prompting:
        """What it shares with the prompt."""
        return Prompting.of(self.context)

    @cached_property
    def processor(self) -> Any:
        return self.prompting.processor.image_processor

    def load(self) -> str:
        self.prepare([open_picture(NOISE)])
        return type(self.prompting.processor).__name__

    def prepare(self, given: Sequence[Picture]) -> list[Prepared]:
        return self.prepare_of([(one,) for one in given])

    def prepare_of(self, given: Sequence[tuple[Picture, ...]]) -> list[Prepared]:
        return [self._prepared_of(pictures) for pictures in given]

    foreseen_of = prepare_of

    def _prepared_of(self, pictures: tuple[Picture, ...]) -> Prepared:
        images = [one.image for one in pictures if one.image is not None]
        tensors = self._pixels(images)
        if not torch.isfinite(tensors["pixel_values"]).all():
            raise CheckpointError(f"The processor of {self._whose} makes pictures whose numbers are not finite (NaN or "
                                  "infinite).", "Look at image_mean and image_std in its preprocessor_config.json.")
        shapes = [side for value in tensors.values() for side in value.shape]
        grids = [number for value in tensors.values() if not value.is_floating_point() and value.numel() <= _FEW
                 for number in value.flatten().tolist()]
        size = (*shapes, *grids, tensors["pixel_values"].numel() // self._channels, 1)
        tilings = tuple(self._tiling(one, len(pictures)) for one in pictures)
        return PreparedPictures(tensors, (), size=size, pictures=pictures, tilings=tilings)

    def _pixels(self, images: Sequence[Image.Image]) -> dict[str, Tensor]:
        found = self.prompting.encoded(images, self.prompting.rendered("a", len(images), self.declared.form))
        return {name: found[name] for name in self.prompting.made if name in found}

    def _encoded(self, image: Image.Image) -> Mapping[str, Tensor]:
        return self._pixels([image])

    def _tiling(self, picture: Picture, count: int) -> Tiling:
        """Of one of so many in a prompt, by what the processor makes of it alone."""
        if count > 1:
            assert picture.image is not None
            self._pixels([picture.image])
        return self.declared.tiling(Shown(picture.size, lambda: self._crop.part(picture.size), self.prompting.made,
                                          self.context.config, self.processor, count))

    def collate(self, prepared: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "_packed ..."]]:
        """One after another: some have an axis for pictures, some for patches of all of them."""
        return {name: torch.cat([one.tensors[name] for one in prepared]) for name in prepared[0].tensors}

    def located(self, prepared: Prepared, inputs: Inputs, outputs: Outputs, sample: int, asked: Asked) -> Located:
        """Image tokens or patches, whichever scores are read at."""
        assert isinstance(prepared, PreparedPictures)
        elements, order, before = [], [], 0
        for number, tiling in enumerate(prepared.tilings):
            placed = tiling.tokens if asked.level in (None, TOKENS) else tiling.patches
            elements += [Patches(*grid, picture=number) for grid in placed.grids]
            order += [before + place for place in placed.order]
            before += placed.count
        return Located(self.part, tuple(elements), torch.tensor(order), prepared.notes)

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "_packed ..."]]:
        """Of the processor, since the image tokens of a prompt must go with it."""
        return dict(self._pixels([NOISE]))


NOISE = Image.effect_noise((96, 64), 80).convert("RGB")
"""A picture for which a model is tried."""


def of_tokens(name: str, encoded: Mapping[str, Tensor]) -> bool:
    """Whether that has a number for each token of a prompt."""
    return encoded[name].shape == encoded["input_ids"].shape and not encoded[name].is_floating_point()


ENCODER = PromptPixelEncoder
