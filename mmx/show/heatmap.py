"""An item's relevance at its picture's size: as numbers, and as colours over the picture alone."""

from typing import TYPE_CHECKING

import numpy as np

from mmx.errors import UsageError
from mmx.results import Explanation, Item, Patches, Regions
from mmx.show.colors import Look, shades_of
from mmx.show.overlay import blended, painted, pixel_boxes, spread, strongest
from mmx.show.view import image_of

if TYPE_CHECKING:
    from PIL.Image import Image


def heatmap(explanation: Explanation, item: Item, picture: int = 0, cells: bool = False) -> np.ndarray:
    """See `Explanation.heatmap`."""
    if not 0 <= picture < len(explanation.pictures):
        raise UsageError(f"There is no picture {picture}: the explanation has {len(explanation.pictures)}.")
    size = explanation.pictures[picture].size
    fields = []
    for block in explanation.blocks(item):
        element = block.element
        if isinstance(element, Patches) and element.picture == picture:
            grid = block.scores.reshape(element.rows, element.columns)
            fields.append(spread(grid, element.box_xyxy_px, size, cells))
        elif isinstance(element, Regions) and element.picture == picture:
            boxes = np.array([region.box_xyxy_px for region in element.regions])
            fields.append(painted(pixel_boxes(boxes, size), block.scores, size))
    if not fields:
        raise UsageError(f"Nothing of picture {picture} has relevance for '{item.label}'.")
    return strongest(fields, size)


def overlay(explanation: Explanation, item: Item, picture: int = 0, look: Look | None = None) -> "Image":
    """See `Explanation.overlay`."""
    look = look or Look()
    shades = shades_of(heatmap(explanation, item, picture, look.cells), explanation.model.dtype, look)
    return blended(image_of(explanation.pictures[picture]), shades.strengths, shades.colors)
