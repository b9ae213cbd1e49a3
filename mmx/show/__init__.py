"""How results are shown: one figure as plain data, which PNG, HTML and the terminal read.

Importing it makes explanations draw and save themselves; results never import drawing.
"""

from mmx.results import Explanation
from mmx.show.heatmap import heatmap, overlay
from mmx.show.html import html_figure
from mmx.show.saving import png_bytes, save_explanation, to_image
from mmx.show.side_by_side import SideBySide, side_by_side

__all__ = ["Explanation", "SideBySide", "side_by_side"]

Explanation.drawn_by.update(
    heatmap=heatmap, overlay=overlay, image=to_image, save=save_explanation, html=html_figure,
    png=lambda explanations: png_bytes(to_image(explanations)))
