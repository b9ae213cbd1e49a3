"""A picture at a readable size with what lies over it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.errors import ImageError, UsageError, shown_path
from mmx.images import open_picture
from mmx.results import Box, Picture
from mmx.show.colors import rgb
from mmx.show.overlay import overlay_maps, overlay_regions
from mmx.show.panels import Map, Mark, Outlines, View
from mmx.show.tags import Tag, area, draw_outline, draw_tags
from mmx.show.typeset import Style
from mmx.show.wording import ranked

_SMALLEST_PICTURE = 6  # in sizes of letters: below it, names of regions would hide what they name
_WIDEST_NAME = 0.5  # of the picture's width, of a region


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
    return opened.image


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """A picture as large as fits, whatever its own size."""
    factor = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


class Pictures:
    """The pictures of a figure, scaled once for all the views of one size. Raises what `image_of` does."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._images = [image_of(picture) for picture in pictures]
        self._fitted: dict[tuple[int, int, int], Image.Image] = {}

    def fitted(self, place: int, width: int, height: int) -> Image.Image:
        """A copy of the picture at this place, as large as fits."""
        key = place, width, height
        if key not in self._fitted:
            self._fitted[key] = fitted(self._images[place], width, height)
        return self._fitted[key].copy()

    def size(self, place: int) -> tuple[int, int]:
        """The picture's own width and height."""
        return self._images[place].size

    @property
    def shape(self) -> float:
        """Width by height of the first one."""
        return self._images[0].width / self._images[0].height if self._images else 1.0


def draw_view(view: View, pictures: Pictures, width: int, height: int, letters_px: int = 18) -> Image.Image:
    """The view as large as fits into width x height pixels."""
    canvas = pictures.fitted(view.picture, width, height)
    stretch = np.tile(np.divide(canvas.size, pictures.size(view.picture)), 2)
    style = Style(letters_px, bold=True)
    maps = [(layer.shades.strengths, _box(stretch * layer.box_xyxy_px)) for layer in view.layers
            if isinstance(layer, Map)]
    if maps:
        canvas = overlay_maps(canvas, maps, view.layers[0].shades.colormap)
    for layer in view.layers:
        if isinstance(layer, Outlines):
            canvas = _with_regions(canvas, layer, stretch, style)
    _draw_marks(canvas, view.marks, stretch, style)
    return canvas


def _with_regions(canvas: Image.Image, layer: Outlines, stretch: np.ndarray, style: Style) -> Image.Image:
    """Its regions coloured, and the strongest named by rank and label."""
    strengths, colormap = layer.shades.strengths, layer.shades.colormap
    boxes = np.array([region.box_xyxy_px for region in layer.regions]).reshape(-1, 4) * stretch
    drawn = overlay_regions(canvas, boxes, strengths, colormap)
    if min(drawn.size) >= _SMALLEST_PICTURE * style.size:
        tags = [Tag(_box(boxes[index]), rgb(colormap, float(strengths[index])),
                    f"{rank} {layer.regions[index].label or ''}", str(rank))
                for rank, index in enumerate(ranked(strengths), start=1)]
        draw_tags(drawn, tags, style, _WIDEST_NAME)
    return drawn


def _draw_marks(canvas: Image.Image, marks: Sequence[Mark], stretch: np.ndarray, style: Style) -> None:
    """Small boxes lie over large ones, and names over all boxes."""
    tags = [Tag(_box(stretch * mark.box_xyxy_px), mark.color, mark.tag, mark.short) for mark in marks if mark.tag]
    thin, thick = 2 + (max(canvas.size) > 600), max(3, round(max(canvas.size) / 360))
    for mark in sorted(marks, key=lambda mark: -area(mark.box_xyxy_px)):
        draw_outline(canvas, stretch * mark.box_xyxy_px, mark.color, thick if mark.tag else thin)
    draw_tags(canvas, tags, style)


def _box(sides: np.ndarray) -> Box:
    left, top, right, bottom = sides.tolist()
    return left, top, right, bottom
