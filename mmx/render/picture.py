"""The picture at a readable size, with its regions' relevance over it."""

import numpy as np
from PIL import Image

from mmx.render.colors import Shades, shades_of
from mmx.render.overlay import overlay_regions
from mmx.render.tags import draw_tags
from mmx.render.typeset import Style
from mmx.types import Explanation


def region_shades(explanation: Explanation) -> Shades:
    """Regions on their own scale; none if the explanation has no image stream."""
    return shades_of(explanation.scores.get("image", np.zeros(0)))


def scaled_picture(explanation: Explanation, long_side_px: int) -> Image.Image:
    """The plain picture at a readable size, whatever its own."""
    return fitted(explanation.picture.image, long_side_px, long_side_px)


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """A picture as large as fits, whatever its own size."""
    factor = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def picture_with_regions(explanation: Explanation, long_side_px: int = 960, tag_px: int = 20) -> Image.Image:
    """The picture scaled to `long_side_px`, its regions coloured and the strongest three named."""
    shades = region_shades(explanation)
    if shades.strengths.size not in (0, len(explanation.regions)):
        raise ValueError(f"{shades.strengths.size} image scores for {len(explanation.regions)} regions.")
    picture = scaled_picture(explanation, long_side_px)
    if not shades.strengths.size:
        return picture
    stretch = np.tile(np.divide(picture.size, explanation.picture.image.size), 2)
    boxes = np.array([region.box_xyxy_px for region in explanation.regions]).reshape(-1, 4) * stretch
    drawn = overlay_regions(picture, boxes, shades.strengths, shades.colormap)
    draw_tags(drawn, boxes, explanation.regions, shades.strengths, shades.colormap, Style(tag_px, bold=True))
    return drawn
