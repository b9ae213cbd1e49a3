"""A picture at a readable size with what lies over it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mmx.errors import ImageError, UsageError, shown_path
from mmx.images import open_picture
from mmx.results import Box, Picture
from mmx.show.blocks import picture
from mmx.show.colors import GREY
from mmx.show.grids import added
from mmx.show.lettering import Style
from mmx.show.overlay import painted, pixel_boxes, strongest, weakest_first
from mmx.show.panels import Map, Mark, Outlines, View
from mmx.show.tags import Tag, area, draw_frame, draw_outline, draw_tags
from mmx.show.wording import ranked

if TYPE_CHECKING:
    from matplotlib.offsetbox import DrawingArea

_SMALLEST_PICTURE = 6  # in sizes of letters: below it, names of regions would hide what they name
_WIDEST_NAME = 0.5  # of the picture's width, of a region
_FAINT = 0.08


def image_of(picture: Picture) -> Image.Image:
    """The picture itself; that of a result which was read from JSON is opened where it was.

    Raises:
        UsageError: it isn't there or has changed.
    """
    if picture.image is not None:
        return picture.image
    name, hint = shown_path(picture.source), "Give it: mmx draw --image, or Explanation.from_dict(document, [image])."
    try:
        opened = open_picture(picture.source)
    except ImageError as error:
        raise UsageError(f"The picture '{name}' of this explanation cannot be opened any more.", hint) from error
    if opened.sha256 != picture.sha256:
        raise UsageError(f"The picture '{name}' has changed since it was explained.", hint)
    assert opened.image is not None
    return opened.image


def fitted(image: Image.Image, width: int, height: int, density: int = 1) -> Image.Image:
    """A picture as large as fits, whatever its own size, times `density`."""
    factor = min(width / image.width, height / image.height)
    size = (density * max(1, round(image.width * factor)), density * max(1, round(image.height * factor)))
    filter_ = Image.Resampling.LANCZOS if factor * density < 1 else Image.Resampling.BICUBIC
    return image.convert("RGB").resize(size, filter_)


class Pictures:
    """The pictures of a figure, scaled once for all the views of one size. Raises what `image_of` does.

    `density` is how many of a picture's pixels lie on one of the sheet's: more where the sheet can be enlarged.
    """

    def __init__(self, pictures: Sequence[Picture], density: int = 1) -> None:
        self.density = density
        self._images = [image_of(picture) for picture in pictures]
        self._fitted: dict[tuple[int, int, int], Image.Image] = {}

    def fitted(self, place: int, width: int, height: int) -> Image.Image:
        """The picture at this place, as large as fits, times the density."""
        key = place, width, height
        if key not in self._fitted:
            self._fitted[key] = fitted(self._images[place], width, height, self.density)
        return self._fitted[key]

    def size(self, place: int) -> tuple[int, int]:
        """The picture's own width and height."""
        return self._images[place].size

    @property
    def shape(self) -> float:
        """Width by height of the first one."""
        return self._images[0].width / self._images[0].height if self._images else 1.0


def view_block(view: View, pictures: Pictures, width: int, height: int, letters_px: int = 18) -> "DrawingArea":
    """The view as large as fits into width x height pixels: relevance as colours, then outlines, marks and names."""
    image = pictures.fitted(view.picture, width, height)
    size = image.width // pictures.density, image.height // pictures.density
    block = picture(np.asarray(under_relevance(image, view.layers, pictures.size(view.picture))), *size)
    stretch = np.tile(np.divide(size, pictures.size(view.picture)), 2)
    style = Style(letters_px, bold=True)
    for layer in view.layers:
        if isinstance(layer, Outlines):
            _draw_regions(block, layer, stretch, style)
    _draw_marks(block, view.marks, stretch, style)
    return block


def under_relevance(image: Image.Image, layers: Sequence[Map | Outlines], own_size: tuple[int, int]) -> Image.Image:
    """All layers through one blend; the stronger shows where two meet."""
    if not layers:
        return image
    return layers[0].shades.colors.over_image(image, _strengths(layers, own_size, image.size))


def film_of(layers: Sequence[Map | Outlines], own_size: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """What lies over a picture that is pale already, as RGBA at this size: one layer at least."""
    return Image.fromarray(layers[0].shades.colors.film(_strengths(layers, own_size, size)), "RGBA")


def without_strengths(layers: Sequence[Map | Outlines]) -> tuple[Map | Outlines, ...]:
    """The same layers with no relevance in them: what lies under them is pale."""
    nothing = [replace(one.shades, strengths=np.zeros_like(one.shades.strengths)) for one in layers]
    return tuple(replace(one, shades=shades, grids=tuple((np.zeros_like(values), box) for values, box in one.grids))
                 if isinstance(one, Map) else replace(one, shades=shades)
                 for one, shades in zip(layers, nothing, strict=True))


def _strengths(layers: Sequence[Map | Outlines], own_size: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Of all layers together, (height, width)."""
    stretch = np.tile(np.divide(size, own_size), 2)
    return strongest([_field(layer, stretch, size) for layer in layers], size)


def _field(layer: Map | Outlines, stretch: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if isinstance(layer, Map):
        return added([(strengths, _box(stretch * box)) for strengths, box in layer.grids], size, layer.cells)
    return painted(pixel_boxes(_boxes(layer) * stretch, size), layer.shades.strengths, size)


def _draw_regions(block: "DrawingArea", layer: Outlines, stretch: np.ndarray, style: Style) -> None:
    """Outlines, the stronger the thicker and over weaker ones; the strongest are named by rank and label."""
    strengths, colors = layer.shades.strengths, layer.shades.colors
    boxes, longest = _boxes(layer) * stretch, max(block.width, block.height)
    for index in weakest_first(strengths):
        size = abs(float(strengths[index]))
        if size < _FAINT:
            draw_frame(block, _box(boxes[index]), GREY, 1, 0.22)
        else:
            color = colors.pure(float(np.sign(strengths[index])) * (0.4 + 0.6 * size))
            draw_frame(block, _box(boxes[index]), color, 1 + round(size * longest / 320), 0.35 + 0.65 * size)
    if min(block.width, block.height) >= _SMALLEST_PICTURE * style.size:
        tags = [Tag(_box(boxes[index]), colors.pure(float(strengths[index])),
                    f"{rank} {layer.regions[index].label or ''}", str(rank))
                for rank, index in enumerate(ranked(strengths), start=1)]
        draw_tags(block, tags, style, _WIDEST_NAME)


def _draw_marks(block: "DrawingArea", marks: Sequence[Mark], stretch: np.ndarray, style: Style) -> None:
    """Small boxes lie over large ones, and names over all boxes."""
    longest = max(block.width, block.height)
    tags = [Tag(_box(stretch * mark.box_xyxy_px), mark.color, mark.tag, mark.short) for mark in marks if mark.tag]
    thin, thick = 2 + (longest > 600), max(3, round(longest / 360))
    for mark in sorted(marks, key=lambda mark: -area(mark.box_xyxy_px)):
        draw_outline(block, _box(stretch * mark.box_xyxy_px), mark.color, thick if mark.tag else thin)
    draw_tags(block, tags, style)


def _boxes(layer: Outlines) -> np.ndarray:
    return np.array([region.box_xyxy_px for region in layer.regions]).reshape(-1, 4)


def _box(sides: np.ndarray) -> Box:
    left, top, right, bottom = sides.tolist()
    return left, top, right, bottom
