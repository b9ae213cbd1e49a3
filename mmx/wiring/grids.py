"""Grids of patches: how many rows and columns a picture's have, and which of them show it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmx.arrays import Bool, Float, Shaped
from mmx.capture import Outputs
from mmx.errors import UsageError
from mmx.families.base import Pixels

Inputs = Mapping[str, Shaped[Tensor, "_batch ..."]]
"""What the model's forward takes."""

# Strides of backbones, the usual ones first.
_STRIDES = (32, 16, 8, 4, 64, 2, 1)


def cells_shown(one: Pixels, inputs: Inputs, outputs: Outputs) -> Bool[Tensor, "batch rows columns"]:
    """Which cells of the grid show the picture and not padding, as the model shrinks its mask."""
    assert one.cells is not None
    grid = grid_of(inputs["pixel_values"], outputs[one.cells].shape[1])
    if "pixel_mask" not in inputs:
        return torch.ones(len(inputs["pixel_values"]), *grid, dtype=torch.bool, device=inputs["pixel_values"].device)
    return nn.functional.interpolate(inputs["pixel_mask"][None].float(), size=grid).to(torch.bool)[0]


def config_at(config: Any, path: str) -> Any:
    """The config itself, or the one inside it of that name."""
    return getattr(config, path) if path else config


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of what a config has as one number or as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def patch_grid(one: Pixels, pixel_values: Float[Tensor, "batch channels height width"],
               config: Any) -> tuple[int, int]:
    """Rows and columns of the patches of pictures, by the config's patch size."""
    height, width = pair(config_at(config, one.config).patch_size)
    down, across = pixel_values.shape[-2:]
    return (-(-down // height), -(-across // width)) if one.pads else (down // height, across // width)


def can_resize(one: Pixels, config: Any) -> bool:
    """Whether position embeddings can be interpolated: transformers takes those of a square grid for granted."""
    if one.resized_by is None:
        return False
    vision = config_at(config, one.config)
    height, width = pair(vision.image_size)
    return height == width and isinstance(vision.patch_size, int)


def grid_of(pixel_values: Float[Tensor, "batch channels height width"], cells: int) -> tuple[int, int]:
    """Rows and columns of a backbone's grid, out of the picture's size and the number of cells."""
    stride = _stride(pixel_values, cells)
    return -(-pixel_values.shape[-2] // stride), -(-pixel_values.shape[-1] // stride)


def block_of(one: Pixels, pixel_values: Float[Tensor, "batch channels height width"], config: Any,
             cells: int | None) -> tuple[int, int]:
    """Height and width in pixels of what a token of a picture stands for: a patch, or one of a backbone's cells."""
    if cells is None:
        return pair(config_at(config, one.config).patch_size)
    return pair(_stride(pixel_values, cells))


def _stride(pixel_values: Float[Tensor, "batch channels height width"], cells: int) -> int:
    height, width = pixel_values.shape[-2:]
    for stride in _STRIDES:
        if -(-height // stride) * -(-width // stride) == cells:
            return stride
    raise UsageError(f"A picture of {height} x {width} pixels does not give {cells} cells at any known stride.")
