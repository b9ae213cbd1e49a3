"""How results are shown: one figure as plain data, which PNG, SVG, PDF, HTML and the terminal read.

Importing it makes explanations draw and save themselves; results never import drawing.
"""

from mmx.results import Explanation
from mmx.show.colors import Look
from mmx.show.heatmap import heatmap, overlay
from mmx.show.html import html_figure
from mmx.show.plotting import jpeg_bytes
from mmx.show.saving import Drawing, save_explanation, to_image, to_plot
from mmx.show.side_by_side import SideBySide, side_by_side

__all__ = ["Explanation", "SideBySide", "side_by_side"]

Explanation.drawn_by.update(
    heatmap=heatmap, image=to_image, html=html_figure, jpeg=lambda explanations: jpeg_bytes(to_image(explanations)),
    overlay=lambda one, item, picture, *look: overlay(one, item, picture, Look(*look)),
    figure=lambda explanations, *look: to_plot(explanations, Look(*look)),
    save=lambda one, folder, stem, formats, figure, overwrite, *look: save_explanation(
        one, folder, stem, Drawing(figure, formats, Look(*look)), overwrite))
