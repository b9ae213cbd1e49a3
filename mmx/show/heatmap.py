"""An item's relevance at its picture's size: as numbers, and as colours over the picture alone."""

from typing import TYPE_CHECKING

import numpy as np

from mmx.errors import UsageError
from mmx.results import Explanation, Item, Patches, Regions
from mmx.show.colors import Look
from mmx.show.grids import added, by_stream_of, grids_of
from mmx.show.overlay import painted, pixel_boxes, strongest
from mmx.show.panels import layers_of
from mmx.show.view import image_of, under_relevance

if TYPE_CHECKING:
    from PIL.Image import Image


def heatmap(explanation: Explanation, item: Item, picture: int = 0, cells: bool = False) -> np.ndarray:
    """See `Explanation.heatmap`."""
    _check_picture(explanation, picture)
    size = explanation.pictures[picture].size
    blocks = explanation.blocks(item)
    by_stream = (grids_of(group, picture) for group in by_stream_of(blocks, Patches))
    fields = [added(grids, size, cells) for grids in by_stream if grids]
    for block in blocks:
        if isinstance(block.element, Regions) and block.element.picture == picture:
            boxes = np.array([region.box_xyxy_px for region in block.element.regions])
            fields.append(painted(pixel_boxes(boxes, size), block.scores, size))
    if not fields:
        raise _nothing(item, picture)
    return strongest(fields, size)


def _check_picture(explanation: Explanation, picture: int) -> None:
    if not 0 <= picture < len(explanation.pictures):
        raise UsageError(f"There is no picture {picture}: the explanation has {len(explanation.pictures)}.")


def _nothing(item: Item, picture: int) -> UsageError:
    return UsageError(f"Nothing of picture {picture} has relevance for '{item.label}'.")


def overlay(explanation: Explanation, item: Item, picture: int = 0, look: Look | None = None) -> "Image":
    """See `Explanation.overlay`."""
    _check_picture(explanation, picture)
    layers = layers_of(explanation, item, picture, look or Look())
    if not layers:
        raise _nothing(item, picture)
    image = image_of(explanation.pictures[picture])
    return under_relevance(image.convert("RGB"), layers, image.size)
