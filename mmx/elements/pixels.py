"""Pictures as pixels: what a model sees of a picture, how large, which part of it, and in which grid of patches."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx.arrays import Float, Shaped
from mmx.capture import Outputs
from mmx.checkpoints.folders import SHOWN_BY
from mmx.checkpoints.loading import content_hash
from mmx.checkpoints.processors import load_processor
from mmx.elements.base import Encoder, Located, Prepared
from mmx.elements.crop import Crop
from mmx.errors import CheckpointError
from mmx.images import open_picture
from mmx.results import Asked, Box, Patches, Picture
from mmx.wiring import Inputs, can_resize, cells_shown, config_at, pair, patch_grid

_USUAL_SIZE = (64, 96)
_ENOUGH = 224
_TRIED = (100, 75)
_LONGEST_SIDE = 4096
_SIDES = ("height", "width", "shortest_edge", "longest_edge", "max_height", "max_width")


class PixelEncoder(Encoder):
    about = "image processor"

    @cached_property
    def processor(self) -> Any:
        given, own = self.context.given.processor, self.context.source
        found = load_processor(given or own)
        _check_sides(found, (given or own).name)
        return found

    @property
    def beside(self) -> dict[str, str]:
        other = self.context.given.processor
        return {} if other is None else {"processor": content_hash(other.folder, SHOWN_BY)}

    @property
    def warnings(self) -> tuple[str, ...]:
        other = self.context.given.processor
        return (f"pictures go through the image processor of {other.name}",) if other is not None else ()

    @property
    def _vision(self) -> Any:
        return config_at(self.context.config, self.declared.config)

    @property
    def _channels(self) -> int:
        return getattr(getattr(self._vision, "backbone_config", None) or self._vision, "num_channels", 3)

    @cached_property
    def _crop(self) -> Crop:
        return Crop(self.processor, self._encoded, within_mask=self.declared.cells is not None)

    def load(self) -> str:
        found = self._prepared(open_picture(Image.new("RGB", _TRIED)))
        return "; ".join([type(self.processor).__name__, *found.notes])

    def prepare(self, given: Sequence[Picture]) -> list[Prepared]:
        return [self._prepared(picture) for picture in given]

    def _encoded(self, image: Image.Image) -> Mapping[str, Tensor]:
        """What the processor makes of a picture. Raises CheckpointError where its settings make no sense."""
        try:
            return self.processor([image], return_tensors="pt")
        except MemoryError:
            raise
        except Exception as error:  # whatever settings without sense lead to
            why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise CheckpointError(f"The image processor of {self._whose} ({type(self.processor).__name__}) fails on a "
                                  f"picture of {image.width} x {image.height} pixels: {why}.",
                                  "Look at size, image_mean and image_std in its preprocessor_config.json.") from error

    @property
    def _whose(self) -> str:
        return (self.context.given.processor or self.context.source).name

    def _prepared(self, picture: Picture) -> Prepared:
        assert picture.image is not None
        encoded = self._encoded(picture.image)
        if encoded["pixel_values"].dim() != 4 or len(encoded["pixel_values"]) != 1:
            raise CheckpointError(f"The image processor of {self._whose} makes several pictures of one "
                                  f"({' x '.join(map(str, encoded['pixel_values'].shape))} numbers); the model takes "
                                  "one.", "Give one that resizes it as `processor=`, such as ViTImageProcessor.")
        pixels = encoded["pixel_values"][0]
        self._check_pixels(pixels)
        tensors = {"pixel_values": pixels}
        if self.declared.takes_mask:
            mask = encoded["pixel_mask"][0] if "pixel_mask" in encoded else torch.ones(pixels.shape[-2:])
            tensors["pixel_mask"] = mask.to(pixels.dtype)
        part = self._crop.part(picture.size)
        if self.declared.cells is not None:
            return Prepared(tensors, (Patches(0, 0, part),), size=tuple(pixels.shape), part_xyxy_px=part)
        rows, columns = patch_grid(self.declared, pixels[None], self.context.config)
        if not rows * columns:
            raise CheckpointError(f"The image processor of {self._whose} makes pictures of {_size_of(pixels)} pixels, "
                                  "smaller than one patch of the model.", "Look at size in preprocessor_config.json.")
        patches = Patches(rows, columns, self._covered(part, pixels, rows, columns))
        return Prepared(tensors, (patches,), self._resized(pixels), tuple(pixels.shape), part)

    def _resized(self, pixels: Float[Tensor, "channels height width"]) -> tuple[str, ...]:
        """A note where position embeddings are interpolated."""
        if self.declared.resized_by is None or (size := pair(self._vision.image_size)) == tuple(pixels.shape[-2:]):
            return ()
        return (f"the model is shown {_size_of(pixels)} pixels, its config says {size[0]} x {size[1]}: its position "
                "embeddings are interpolated",)

    def _covered(self, part: Box, pixels: Float[Tensor, "channels height width"], rows: int, columns: int) -> Box:
        """Without what is left over, or with what is padded, where a side is no multiple of the patches'."""
        height, width = pair(self._vision.patch_size)
        left, top, right, bottom = part
        if (rows * height, columns * width) != tuple(pixels.shape[-2:]):
            right = left + (right - left) * columns * width / pixels.shape[-1]
            bottom = top + (bottom - top) * rows * height / pixels.shape[-2]
        return left, top, right, bottom

    def _check_pixels(self, pixels: Float[Tensor, "channels height width"]) -> None:
        said = f"The image processor of {self._whose} makes pictures"
        if len(pixels) != self._channels:
            raise CheckpointError(f"{said} of {len(pixels)} channels; the model takes {self._channels} "
                                  "(num_channels in config.json).", "mmx shows pictures in colour, as 3 channels.")
        if not torch.isfinite(pixels).all():
            raise CheckpointError(f"{said} whose numbers are not finite (NaN or infinite).",
                                  "Look at image_mean and image_std in its preprocessor_config.json.")
        if self.declared.any_size or can_resize(self.declared, self.context.config):
            return
        height, width = pair(self._vision.image_size)
        if tuple(pixels.shape[-2:]) != (height, width):
            raise CheckpointError(f"{said} of {_size_of(pixels)} pixels; the model takes {height} x {width}.",
                                  "Its preprocessor_config.json and config.json differ.")

    def located(self, prepared: Prepared, inputs: Inputs, outputs: Outputs, sample: int, asked: Asked) -> Located:
        """A backbone's grid is known when the model has run; cells that are padding are left out."""
        if self.declared.cells is None:
            return super().located(prepared, inputs, outputs, sample, asked)
        shown = cells_shown(self.declared, inputs, outputs)[sample].cpu()
        [whole] = prepared.elements
        assert isinstance(whole, Patches)
        grid = Patches(int(shown[:, 0].sum()), int(shown[0].sum()), whole.box_xyxy_px)
        return Located(self.part, (grid,), shown.flatten())

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        size = pair(getattr(self._vision, "image_size", None) or _USUAL_SIZE)
        if self.declared.any_size and self.declared.shrinks:
            # Its position embeddings may be for far larger pictures than it is shown.
            size = min(size[0], _ENOUGH), min(size[1], _ENOUGH)
        pixels = torch.randn(1, self._channels, *size, generator=generator)
        return {"pixel_values": pixels, **({"pixel_mask": torch.ones(1, *size)} if self.declared.takes_mask else {})}


def _size_of(pixels: Tensor) -> str:
    return " x ".join(map(str, pixels.shape[-2:]))


def _check_sides(processor: Any, name: str) -> None:
    """Sides without sense are refused before a picture of that size is made."""
    for setting in ("size", "crop_size", "pad_size"):
        given = getattr(processor, setting, None) or {}
        for what in (side for side in _SIDES if side in given):
            side = given[what]
            if side is not None and not (isinstance(side, int | float) and 0 < side <= _LONGEST_SIDE):
                raise CheckpointError(f"The image processor of {name} has {what} {side!r} in its {setting}.",
                                      f"In its preprocessor_config.json it must be from 1 to {_LONGEST_SIDE} pixels.")


ENCODER = PixelEncoder
