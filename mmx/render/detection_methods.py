"""Several methods side by side on the detections of one picture: a row for each detection, a column for each method."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.errors import UsageError
from mmx.render.boxes import color_of, draw_outline
from mmx.render.canvas import blank, stacked
from mmx.render.colors import DIVERGING, GREY, RULE, SEQUENTIAL, Shades
from mmx.render.detection_sheet import file_name, map_shades, picture_with_map, titled
from mmx.render.detection_words import counted, surest_others, title
from mmx.render.flow import paragraph, paragraphs
from mmx.render.legend import number, scale_bar
from mmx.render.panel import on_matte
from mmx.render.picture import fitted
from mmx.render.sheet import GUTTER, grid_of_cells, under_headings
from mmx.render.typeset import Style
from mmx.types import Detections, Explanation

MOST_ROWS = 6
_WIDTH = 2400
_NARROWEST, _WIDEST = 240, 440
_SMALLEST_SHEET = 720
_TALLEST = 1.5  # in widths
_MARGIN = 48
_HEADER = Style(32, bold=True)
_ORIGIN = Style(20, color=GREY)
_NAME = Style(16, bold=True)
_SMALL = Style(14, color=GREY)
_RULE = "Each map is scaled to its own largest score, which stands beneath it: compare where, not how much."


def detection_methods_sheet(results: Sequence[Detections]) -> Image.Image:
    """The surest detections of one picture by each method, on one rule of colour."""
    _require_one_subject(results)
    first = results[0]
    width = min(_WIDEST, max(_NARROWEST, _WIDTH // (len(results) + 1) - GUTTER))
    table = _table(results, width) if len(first) else fitted(first.picture.image, 2 * _WIDEST, 2 * _WIDEST)
    room = max(table.width, _SMALLEST_SHEET)
    small = [*_remarks(first), *(f"Note: {note}" for note in dict.fromkeys((*first.notes, *first.picture.notes)))]
    return stacked([
        (0, paragraph(file_name(first), _HEADER, room)),
        (2, paragraph(f"{counted(first)} \u00b7 {first.model.name}", _ORIGIN, room)),
        (28, on_matte(table, room)), (28, blank(room, 1, RULE)), *((12, bar) for bar in _scales(results, room)),
        (12, paragraphs(small, _SMALL, room))], _MARGIN)


def _require_one_subject(results: Sequence[Detections]) -> None:
    if not results:
        raise UsageError("A comparison needs at least one result.")
    subjects = {(one.picture.sha256, one.wanted, one.model, tuple(each.detection for each in one)) for one in results}
    if len(subjects) > 1:
        raise UsageError("The results to compare differ in picture, model or detections.",
                         "Compare methods on the same detections of one picture.")


def _scales(results: Sequence[Detections], width: int) -> list[Image.Image]:
    """A bar for each scale of colours in use."""
    used = {map_shades(one).colormap for result in results for one in result.explanations[:MOST_ROWS]}
    return [scale_bar(Shades(np.ones(1), colormap, 1.0), "share of the largest score", _SMALL, width)
            for colormap in (SEQUENTIAL, DIVERGING) if colormap in used]


def _remarks(first: Detections) -> list[str]:
    if not len(first):
        others = surest_others(first)
        return [f"Surest: {others}."] if others else []
    hidden = len(first) - MOST_ROWS
    return [*([f"and {hidden} more detections: see each method's own sheet"] if hidden > 0 else []), _RULE]


def _table(results: Sequence[Detections], width: int) -> Image.Image:
    picture = fitted(results[0].picture.image, width, round(_TALLEST * width))
    headings, bodies = [], []
    for row, found in enumerate(results[0].explanations[:MOST_ROWS]):
        headings += [titled(row, title(found), _NAME, width),
                     *(paragraph(result.method, _NAME, width) for result in results)]
        bodies += [on_matte(_with_box(found, picture, row), width),
                   *(_cell(result[row], picture, width) for result in results)]
    columns = len(results) + 1
    return grid_of_cells(under_headings(headings, bodies, columns), columns)


def _with_box(explanation: Explanation, picture: Image.Image, row: int) -> Image.Image:
    assert explanation.detection is not None
    stretch, canvas = picture.width / explanation.picture.image.width, picture.copy()
    left, top, right, bottom = (stretch * side for side in explanation.detection.box_xyxy_px)
    draw_outline(canvas, (left, top, right, bottom), color_of(row), 3)
    return canvas


def _cell(explanation: Explanation, picture: Image.Image, width: int) -> Image.Image:
    largest = map_shades(explanation).largest
    told = f"largest {number(largest)}" if largest else "all zero"
    return stacked([(0, on_matte(picture_with_map(explanation, picture), width)),
                    (4, paragraph(told, _SMALL, width))], 0)
