"""Pictures as pixels: what a model sees of a picture, how large, which part of it, and in which grid of patches."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mmx.capture import Outputs
from mmx.checkpoints.loading import load_processor
from mmx.elements.base import Encoder, Located, Prepared
from mmx.errors import CheckpointError
from mmx.results import Box, Patches, Picture
from mmx.wiring import cells_shown, config_at, patch_grid

_USUAL_SIZE = (64, 96)
_ENOUGH = 224


class PixelEncoder(Encoder):
    about = "image processor"

    @cached_property
    def processor(self) -> Any:
        return load_processor(self.context.source)

    @property
    def _vision(self) -> Any:
        return config_at(self.context.config, self.declared.config)

    def load(self) -> str:
        return type(self.processor).__name__

    def prepare(self, given: Sequence[Picture]) -> list[Prepared]:
        return [self._prepared(picture) for picture in given]

    def _prepared(self, picture: Picture) -> Prepared:
        encoded = self.processor([picture.image], return_tensors="pt")
        pixels = encoded["pixel_values"][0]
        tensors = {"pixel_values": pixels}
        if self.declared.takes_mask:
            mask = encoded["pixel_mask"][0] if "pixel_mask" in encoded else torch.ones(pixels.shape[-2:])
            tensors["pixel_mask"] = mask.to(pixels.dtype)
        self._check_size(pixels)
        if self.declared.cells is None:
            rows, columns = patch_grid(self.declared, pixels[None], self.context.config)
            patches = Patches(rows, columns, shown_part(self.processor, picture.size))
        else:
            patches = Patches(0, 0, (0, 0, *picture.size))
        return Prepared(tensors, (patches,), size=tuple(pixels.shape))

    def _check_size(self, pixels: Tensor) -> None:
        if self.declared.any_size:
            return
        height, width = pair(self._vision.image_size)
        if tuple(pixels.shape[-2:]) != (height, width):
            made = " x ".join(map(str, pixels.shape[-2:]))
            raise CheckpointError(f"The image processor of {self.context.source.name} makes pictures of {made} pixels; "
                                  f"the model takes {height} x {width}.",
                                  "Its preprocessor_config.json and config.json differ.")

    def located(self, prepared: Prepared, inputs: Mapping[str, Tensor], outputs: Outputs, sample: int) -> Located:
        """A backbone's grid is known when the model has run; cells that are padding are left out."""
        if self.declared.cells is None:
            return super().located(prepared, inputs, outputs, sample)
        shown = cells_shown(self.declared, inputs, outputs)[sample].cpu()
        [whole] = prepared.elements
        assert isinstance(whole, Patches)
        grid = Patches(int(shown[:, 0].sum()), int(shown[0].sum()), whole.box_xyxy_px)
        return Located(self.part, (grid,), shown.flatten())

    def noise(self, generator: torch.Generator) -> dict[str, Tensor]:
        size = pair(getattr(self._vision, "image_size", None) or _USUAL_SIZE)
        if self.declared.any_size:  # its position embeddings may be for far larger pictures than it is shown
            size = min(size[0], _ENOUGH), min(size[1], _ENOUGH)
        pixels = torch.randn(1, getattr(self._vision, "num_channels", 3), *size, generator=generator)
        return {"pixel_values": pixels, **({"pixel_mask": torch.ones(1, *size)} if self.declared.takes_mask else {})}


def shown_part(processor: Any, size: tuple[int, int]) -> Box:
    """Which part of a picture of `size` (width, height) is left after resizing and cropping, in its own pixels."""
    resized = _resized(processor, size)
    if not getattr(processor, "do_center_crop", False):
        return 0, 0, *size
    crop = processor.crop_size["width"], processor.crop_size["height"]
    # Cut towards zero, as transformers' processors do.
    start = [int((side - kept) / 2) for side, kept in zip(resized, crop, strict=True)]
    left, top = (first * whole / side for first, whole, side in zip(start, size, resized, strict=True))
    across, down = (kept * whole / side for kept, whole, side in zip(crop, size, resized, strict=True))
    return left, top, left + across, top + down


def _resized(processor: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height after resizing: both given, or the shorter one, and the longer in proportion."""
    if not getattr(processor, "do_resize", False):
        return size
    given = {name: processor.size[name] for name in ("width", "height", "shortest_edge", "longest_edge")
             if name in processor.size and processor.size[name] is not None}
    if set(given) == {"width", "height"}:
        return given["width"], given["height"]
    if "shortest_edge" in given:
        width, height = (int(given["shortest_edge"] * side / min(size)) for side in size)
        if "longest_edge" not in given or not getattr(processor, "do_center_crop", False):
            return width, height
    raise CheckpointError(f"The image processor resizes by {', '.join(given) or 'nothing'}, which mmx does not know.",
                          "Give it a width and a height, or a shortest edge.")


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of what a config has as one number or as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


ENCODER = PixelEncoder
