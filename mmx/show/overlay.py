"""Relevance on a picture: what matters takes on colour, the rest turns pale but stays recognisable."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from mmx.results import Box
from mmx.show.colors import GREY, Colormap, luminance, rgb

WASH = 0.72
_LIGHTEN = 0.4
_REGION_OPACITY = 0.4
MAP_OPACITY = 0.66
_FAINT = 0.08


def overlay_regions(image: Image.Image, boxes_xyxy_px: np.ndarray, strengths: np.ndarray,
                    colormap: Colormap) -> Image.Image:
    """Colours each pixel by the strongest region over it, and outlines the regions.

    Args:
        image: RGB.
        boxes_xyxy_px: (regions, 4), in the picture's pixels.
        strengths: (regions,), in [-1, 1].
    """
    boxes, weakest_first = pixel_boxes(boxes_xyxy_px, image.size), _weakest_first(strengths)
    field = painted(boxes, strengths, image.size)
    # A strong region is known by its outline, so its own colours may show through; a map has nothing but its tint.
    canvas = tinted(image, field, colormap, _REGION_OPACITY * (1 - np.abs(field) / 2), WASH * (1 - field**2))
    for index in weakest_first:
        _outline(canvas, boxes[index], float(strengths[index]), colormap)
    return canvas


def painted(boxes: np.ndarray, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Each pixel has the value of the largest size among the boxes over it, (height, width); 0 beside them all.

    Args:
        boxes: (regions, 4), whole pixels, as `pixel_boxes` gives them.
    """
    field = np.zeros(size[::-1], dtype=np.float32)
    for index in _weakest_first(values):
        left, top, right, bottom = boxes[index]
        field[top:bottom, left:right] = values[index]
    return field


def _weakest_first(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.abs(values), kind="stable")


def overlay_maps(image: Image.Image, maps: Sequence[tuple[np.ndarray, Box]], colormap: Colormap) -> Image.Image:
    """Colours a picture by coarse maps, each spread smoothly over its part of it; the stronger shows where two meet.

    Args:
        image: RGB.
        maps: (rows, columns) in [-1, 1], and the part in the picture's pixels, which may reach beyond its edge.
            What no map covers turns pale.
    """
    field = strongest([spread(strengths, box, image.size) for strengths, box in maps], image.size)
    return tinted(image, field, colormap, MAP_OPACITY, WASH)


def strongest(fields: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Each pixel has the value of the largest size among the fields, (height, width) each; 0 where there is none."""
    found = np.zeros(size[::-1], dtype=np.float32)
    for field in fields:
        found = np.where(np.abs(field) > np.abs(found), field, found)
    return found


def spread(strengths: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """A map at the picture's size, 0 beside its box; what lies beyond the picture is never made."""
    left, top, right, bottom = map(round, box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    seen = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    field = Image.new("F", size)
    if seen[0] < seen[2] and seen[1] < seen[3]:
        coarse = Image.fromarray(np.asarray(strengths, dtype=np.float32))
        across, down = coarse.width / (right - left), coarse.height / (bottom - top)
        part = ((seen[0] - left) * across, (seen[1] - top) * down, (seen[2] - left) * across, (seen[3] - top) * down)
        field.paste(coarse.resize((seen[2] - seen[0], seen[3] - seen[1]), Image.Resampling.BILINEAR, part), seen[:2])
    return np.asarray(field)


def tinted(image: Image.Image, field: np.ndarray, colormap: Colormap,
            opacity: float | np.ndarray, wash: float | np.ndarray) -> Image.Image:
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    grey = luminance(pixels)[..., None]
    pale = pixels + np.asarray(wash)[..., None] * (grey + _LIGHTEN * (255 - grey) - pixels)
    tinted = pale + (opacity * np.abs(field)**0.7)[..., None] * (colormap(field) - pale)
    return Image.fromarray(tinted.round().clip(0, 255).astype(np.uint8))


def _outline(canvas: Image.Image, box: np.ndarray, strength: float, colormap: Colormap) -> None:
    size = abs(strength)
    faint = size < _FAINT
    color = GREY if faint else rgb(colormap, np.sign(strength) * (0.4 + 0.6 * size))
    opacity = 0.22 if faint else 0.35 + 0.65 * size
    width = 1 if faint else 1 + round(size * max(canvas.size) / 320)
    left, top, right, bottom = box.tolist()
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).rectangle((0, 0, mask.width - 1, mask.height - 1), outline=round(255 * opacity), width=width)
    canvas.paste(color, (left, top), mask)


def pixel_boxes(boxes_xyxy_px: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whole pixels inside the picture; a box keeps at least one pixel."""
    boxes = np.asarray(boxes_xyxy_px, dtype=np.float64).reshape(-1, 4).round().astype(int)
    limits = np.array(size)
    start = boxes[:, :2].clip(0, limits - 1)
    stop = np.maximum(boxes[:, 2:].clip(1, limits), start + 1)
    return np.concatenate([start, stop], axis=1)
