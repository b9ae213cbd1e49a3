"""What a model that takes pixels sees of a picture: how large, which part of it, and in which grid of patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from PIL.Image import Image
from torch import Tensor
from transformers import PreTrainedConfig

from mmx.errors import CheckpointError
from mmx.families.base import Inputs

if TYPE_CHECKING:
    from mmx.explainer import Model

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Views:
    """Pictures as a model takes them.

    Attributes:
        pixel_values: (pictures, channels, height, width).
        boxes_xyxy_px: which part of each picture that is, in its own pixels; beyond its edge where it is padded.
        grid: rows and columns of patches.
    """

    pixel_values: Tensor
    boxes_xyxy_px: tuple[Box, ...]
    grid: tuple[int, int]

    @property
    def inputs(self) -> Inputs:
        return {"pixel_values": self.pixel_values}


def views_of(model: "Model", vision: PreTrainedConfig, images: Sequence[Image]) -> Views:
    """By the checkpoint's own processor, and the sizes of picture and patch in its own config."""
    pixels = torch.cat([model.processor(image, return_tensors="pt")["pixel_values"] for image in images])
    height, width = _pair(vision.image_size)
    if pixels.shape[-2:] != (height, width):
        made = " x ".join(map(str, pixels.shape[-2:]))
        raise CheckpointError(f"The image processor of {model.info.name} makes pictures of {made} pixels; the model "
                              f"takes {height} x {width}.", "Its preprocessor_config.json and config.json differ.")
    patch_height, patch_width = _pair(vision.patch_size)
    return Views(pixels, tuple(shown_part(model.processor, image.size) for image in images),
                 (height // patch_height, width // patch_width))


def shown_part(processor: Any, size: tuple[int, int]) -> Box:
    """Which part of a picture of `size` (width, height) is left after resizing and cropping, in its own pixels."""
    resized = _resized(processor, size)
    if not getattr(processor, "do_center_crop", False):
        return 0, 0, *size
    crop = processor.crop_size["width"], processor.crop_size["height"]
    # As torchvision rounds it.
    start = [round((side - kept) / 2) for side, kept in zip(resized, crop, strict=True)]
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
    if set(given) == {"shortest_edge"}:
        width, height = (int(given["shortest_edge"] * side / min(size)) for side in size)
        return width, height
    raise CheckpointError(f"The image processor resizes by {', '.join(given) or 'nothing'}, which mmx does not know.",
                          "Give it a width and a height, or a shortest edge.")


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of what a config has as one number or as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])
