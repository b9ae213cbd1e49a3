"""Accuracy curves of the perturbation test: a panel for each modality and sign, one legend for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from mmx.render.canvas import blank, stacked
from mmx.render.chart import Curve, Span, chart, key_sample, span_of
from mmx.render.colors import GREY, RULE
from mmx.render.flow import paragraph, paragraphs
from mmx.render.sheet import grid_of_cells, under_headings
from mmx.render.strokes import Stroke, stroke
from mmx.render.typeset import Style, draw_text, text_width

_MARGIN, _PANEL = 48, (620, 420)
_TITLE = Style(30, bold=True)
_HEADING = Style(20, bold=True)
_DIRECTION = Style(17, color=GREY)
_KEY = Style(18)
_SMALL = Style(16, color=GREY)
_SAMPLE, _GAP = (64, 24), 28


@dataclass(frozen=True)
class Panel:
    """Curves of one kind under a heading, and which way is better."""

    heading: str
    direction: str
    x_label: str
    curves: tuple[Curve, ...]


def curves_figure(title: str, panels: Sequence[Panel], columns: int, small_print: Sequence[str]) -> Image.Image:
    """Panels in rows of `columns`, all on one scale."""
    labels = dict.fromkeys(curve.label for panel in panels for curve in panel.curves)
    looks = {label: stroke(number) for number, label in enumerate(labels)}
    span = span_of([curve for panel in panels for curve in panel.curves])
    grid = _grid(panels, looks, span, columns)
    width = grid.width
    return stacked([(0, paragraph(title, _TITLE, width)), (22, grid), (18, _legend(looks, width)),
                    (18, blank(width, 1, RULE)), (12, paragraphs(small_print, _SMALL, width))], _MARGIN)


def _grid(panels: Sequence[Panel], looks: Mapping[str, Stroke], span: Span, columns: int) -> Image.Image:
    headings = [stacked([(0, paragraph(panel.heading, _HEADING, _PANEL[0])),
                         (2, paragraph(panel.direction, _DIRECTION, _PANEL[0]))], 0) for panel in panels]
    bodies = [chart(panel.curves, looks, span, _PANEL, panel.x_label) for panel in panels]
    return grid_of_cells(under_headings(headings, bodies, columns), columns)


def _legend(looks: Mapping[str, Stroke], width: int) -> Image.Image:
    """Entries in columns of equal width, as many as there is room for."""
    entry = _SAMPLE[0] + 10 + max(text_width(label, _KEY) for label in looks) + _GAP
    columns = max(1, min(len(looks), (width + _GAP) // entry))
    rows = -(-len(looks) // columns)
    canvas = blank(width, rows * _KEY.line_height)
    for number, (label, look) in enumerate(looks.items()):
        x, y = number // rows * entry, number % rows * _KEY.line_height
        canvas.paste(key_sample(look, _SAMPLE), (x, y))
        draw_text(canvas, x + _SAMPLE[0] + 10, y + _KEY.ascent, label, _KEY)
    return canvas
