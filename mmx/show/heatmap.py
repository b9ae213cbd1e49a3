"""An item's relevance at its picture's size: as numbers, and as colours over the picture alone."""

from typing import TYPE_CHECKING

import numpy as np

from mmx.errors import UsageError
from mmx.results import Explanation, Item, Patches, Regions
from mmx.show.colors import Colormap, shades_of
from mmx.show.overlay import MAP_OPACITY, WASH, painted, pixel_boxes, spread, strongest, tinted
from mmx.show.view import image_of

if TYPE_CHECKING:
    from PIL.Image import Image

_COLORS = 256


def heatmap(explanation: Explanation, item: Item, picture: int = 0) -> np.ndarray:
    """See `Explanation.heatmap`."""
    if not 0 <= picture < len(explanation.pictures):
        raise UsageError(f"There is no picture {picture}: the explanation has {len(explanation.pictures)}.")
    size = explanation.pictures[picture].size
    fields = []
    for block in explanation.blocks(item):
        element = block.element
        if isinstance(element, Patches) and element.picture == picture:
            fields.append(spread(block.scores.reshape(element.rows, element.columns), element.box_xyxy_px, size))
        elif isinstance(element, Regions) and element.picture == picture:
            boxes = np.array([region.box_xyxy_px for region in element.regions])
            fields.append(painted(pixel_boxes(boxes, size), block.scores, size))
    if not fields:
        raise UsageError(f"Nothing of picture {picture} has relevance for '{item.label}'.")
    return strongest(fields, size)


def overlay(explanation: Explanation, item: Item, picture: int = 0, cmap: str | None = None,
            alpha: float | None = None) -> "Image":
    """See `Explanation.overlay`."""
    if alpha is not None and not 0 <= alpha <= 1:
        raise UsageError(f"An alpha of {alpha:g} makes no sense.", "It is from 0 to 1.")
    shades = shades_of(heatmap(explanation, item, picture))
    colormap = shades.colormap if cmap is None else _named(cmap, shades.colormap.low)
    return tinted(image_of(explanation.pictures[picture]), shades.strengths, colormap,
                  MAP_OPACITY if alpha is None else alpha, WASH)


def _named(name: str, low: float) -> Colormap:
    """One of matplotlib's; its middle is zero where there are negative scores."""
    from matplotlib import colormaps

    if name not in colormaps:
        raise UsageError(f"matplotlib has no colour map '{name}'.", "There are viridis, magma, coolwarm and others.")
    sampled = (colormaps[name](np.linspace(0, 1, _COLORS))[:, :3] * 255).round().astype(int).tolist()
    return Colormap(low, tuple((red, green, blue) for red, green, blue in sampled))
