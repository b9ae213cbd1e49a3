"""Which part of a picture an image processor leaves for a model to see, in the picture's own pixels."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from mmx.errors import CheckpointError
from mmx.results import Box

Encode = Callable[[Image.Image], Mapping[str, Tensor]]
"""What an image processor gives for a picture: "pixel_values" (1, channels, height, width), perhaps "pixel_mask"."""

# Width and height of the picture, no square, on which arithmetic and processor are compared: a detector enlarges it.
_TRIED = 160, 100
_CLOSE = 0.5
"""Pixels, as the model is shown them, by which they may be apart."""
_OFF_A_LINE = 0.03


class Crop:
    """Of one image processor: by arithmetic where that is what it does, or else by where it puts coordinates.

    Args:
        within_mask: the part is that of the pixels that its mask counts, not of all that it makes.
    """

    def __init__(self, processor: Any, encode: Encode, *, within_mask: bool = False) -> None:
        self._processor, self._encode, self._within_mask = processor, encode, within_mask
        self._measured: dict[tuple[int, int], Box] = {}

    def part(self, size: tuple[int, int]) -> Box:
        """Of a picture of `size` (width, height). Raises CheckpointError where it cannot be told."""
        return self._by_size(size) if self._arithmetic is None else self._arithmetic(self._processor, size)

    def _by_size(self, size: tuple[int, int]) -> Box:
        if size not in self._measured:
            self._measured[size] = measured_part(self._encode, size, self._within_mask)[0]
        return self._measured[size]

    @cached_property
    def _arithmetic(self) -> Callable[[Any, tuple[int, int]], Box] | None:
        """Processors crop by settings of their own as well: ConvNext's crop_pct, LeViT's 256 / 224."""
        box, pixel = measured_part(self._encode, _TRIED, self._within_mask)
        for by_settings in (shown_part, square_part):
            with suppress(CheckpointError):
                expected = by_settings(self._processor, _TRIED)
                if all(abs(one - other) <= _CLOSE * pixel[side % 2]
                       for side, (one, other) in enumerate(zip(expected, box, strict=True))):
                    return by_settings
        return None


def measured_part(encode: Encode, size: tuple[int, int], within_mask: bool = False
                  ) -> tuple[Box, tuple[float, float]]:
    """The part, and how wide and high a pixel is that the model is shown, both in the picture's pixels.

    Pictures whose grey is the coordinate go through the processor, beside a black and a white one, which tell where
    there is a picture at all and undo whatever is done to its values.

    Raises:
        CheckpointError: what comes out is no straight piece of the picture.
    """
    across, down = (np.arange(side) for side in size)
    ramps = [np.tile(_grey(across), (size[1], 1)), np.tile(_grey(down)[:, None], (1, size[0]))]
    black, white = (encode(Image.new("RGB", size, (level,) * 3)) for level in (0, 255))
    rows, columns = _counted(black)
    dark, light = _plane(black), _plane(white)
    if dark.shape != light.shape:
        raise _unclear()
    contrast = light - dark
    inside = np.abs(contrast) > 0.5 * np.abs(contrast).max()
    inside[rows:], inside[:, columns:] = False, False
    if not inside.any():
        raise _unclear()
    height, width = (rows, columns) if within_mask else inside.shape
    found = []
    for axis, (ramp, length) in enumerate(zip(ramps, (width, height), strict=True)):
        plane = _plane(encode(Image.fromarray(np.repeat(ramp[..., None], 3, axis=2))))
        if plane.shape != dark.shape:
            raise _unclear()
        places = np.where(inside, (plane - dark) / np.where(inside, contrast, 1), np.nan) * size[axis]
        start, step = _line(places if axis == 0 else places.T, size[axis])
        found.append((start, start + step * length, step))
    (left, right, pixel_width), (top, bottom, pixel_height) = found
    return (left, top, right, bottom), (pixel_width, pixel_height)


def _grey(places: np.ndarray) -> np.ndarray:
    """The middle of each pixel as a share of the side, in 256 greys."""
    return np.rint(255 * (places + 0.5) / len(places)).astype(np.uint8)


def _plane(encoded: Mapping[str, Tensor]) -> np.ndarray:
    pixels = encoded["pixel_values"]
    if pixels.dim() != 4 or len(pixels) != 1:
        raise _unclear()
    return pixels[0].double().mean(dim=0).numpy()


def _counted(encoded: Mapping[str, Tensor]) -> tuple[int, int]:
    """Rows and columns that the mask counts, from the upper left."""
    height, width = encoded["pixel_values"].shape[-2:]
    mask = encoded.get("pixel_mask")
    if mask is None:
        return height, width
    counted = mask[0].bool()
    return int(counted.any(dim=1).sum()), int(counted.any(dim=0).sum())


def _line(places: np.ndarray, side: int) -> tuple[float, float]:
    """Where the first column begins and how wide one is, out of the places (rows, columns) of all pixels."""
    columns = np.flatnonzero(~np.isnan(places).all(axis=0))
    if side == 1:  # the whole of it is wherever there is something
        return -columns[0] / len(columns), 1 / len(columns)
    seen = np.nanmean(places[:, columns], axis=0)
    uneven = np.nanmax(places[:, columns], axis=0) - np.nanmin(places[:, columns], axis=0)
    edge = max(0.05 * side, 0.55)  # there, resizing has no neighbours to mix, which bends the line
    straight = (seen > edge) & (seen < side - edge)
    if straight.sum() < 2:
        raise _unclear()
    step, start = np.polyfit(columns[straight] + 0.5, seen[straight], 1)
    off = np.abs(start + step * (columns[straight] + 0.5) - seen[straight])
    allowed = _OFF_A_LINE * side + 0.5
    if step <= 0 or max(off.max(), uneven[straight].max()) > allowed:
        raise _unclear()
    return float(start), float(step)


def _unclear() -> CheckpointError:
    return CheckpointError("The image processor does more to a picture than to resize, crop and pad it, so mmx cannot "
                           "tell where in the picture what the model sees is.", "Give another one as `processor=`.")


def shown_part(processor: Any, size: tuple[int, int]) -> Box:
    """The part by arithmetic: resizing, then a crop in the middle, by the settings that most processors have."""
    resized = _resized(processor, size)
    if not getattr(processor, "do_center_crop", False):
        return 0, 0, *size
    crop = tuple(processor.crop_size[side] for side in ("width", "height") if side in processor.crop_size)
    if len(crop) < 2 or None in crop:
        raise CheckpointError("The image processor crops by other than a width and a height, which mmx does not know.")
    # Cut towards zero, as transformers' processors do.
    start = [int((side - kept) / 2) for side, kept in zip(resized, crop, strict=True)]
    left, top = (first * whole / side for first, whole, side in zip(start, size, resized, strict=True))
    across, down = (kept * whole / side for kept, whole, side in zip(crop, size, resized, strict=True))
    return left, top, left + across, top + down


def square_part(processor: Any, size: tuple[int, int]) -> Box:
    """The part of a picture that is padded to a square, at the right or below."""
    return 0, 0, max(size), max(size)


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
