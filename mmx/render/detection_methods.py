"""Several methods side by side on the detections of one picture: a row for each detection, a column for each method."""

from collections.abc import Sequence

from PIL import Image

from mmx.errors import UsageError
from mmx.render.boxes import Tagged, color_of, draw_boxes
from mmx.render.canvas import blank, stacked
from mmx.render.colors import GREY, RULE
from mmx.render.detection_sheet import file_name, map_shades, picture_with_map, titled
from mmx.render.detection_words import counted, surest_others, title
from mmx.render.flow import paragraph, paragraphs
from mmx.render.legend import number
from mmx.render.panel import on_matte
from mmx.render.picture import fitted
from mmx.render.sheet import GUTTER, grid_of_cells
from mmx.render.typeset import Style
from mmx.types import Detections, Explanation

MOST_ROWS = 6
_WIDTH = 2400
_NARROWEST, _WIDEST = 240, 440
_TALLEST = 1.5  # in widths
_MARGIN = 48
_HEADER = Style(32, bold=True)
_ORIGIN = Style(20, color=GREY)
_NAME = Style(18, bold=True)
_SMALL = Style(16, color=GREY)
_RULE = "Each map is scaled to its own largest score, which stands beneath it: compare where, not how much."


def detection_methods_sheet(results: Sequence[Detections]) -> Image.Image:
    """The surest detections of one picture by each method, on one rule of colour."""
    _require_one_subject(results)
    first = results[0]
    width = min(_WIDEST, max(_NARROWEST, _WIDTH // (len(results) + 1) - GUTTER))
    rows = range(min(MOST_ROWS, len(first)))
    cells = [cell for row in rows for cell in _row([result[row] for result in results], row, width)]
    if not cells:
        cells = [on_matte(fitted(first.picture.image, _WIDEST * 2, _WIDEST * 2), _WIDEST * 2)]
    table = grid_of_cells(cells, len(results) + 1 if len(first) else 1)
    header = [paragraph(file_name(first), _HEADER, table.width),
              paragraph(f"{counted(first)} \u00b7 {first.model.name}", _ORIGIN, table.width)]
    small = paragraphs([*_remarks(first), *(f"Note: {note}" for note in (*first.notes, *first.picture.notes))],
                       _SMALL, table.width)
    return stacked([(0, header[0]), (2, header[1]), (28, table), (28, blank(table.width, 1, RULE)), (12, small)],
                   _MARGIN)


def _require_one_subject(results: Sequence[Detections]) -> None:
    if not results:
        raise UsageError("A comparison needs at least one result.")
    subjects = {(one.picture.sha256, one.wanted, one.model, tuple(each.detection for each in one)) for one in results}
    if len(subjects) > 1:
        raise UsageError("The results to compare differ in picture, model or detections.",
                         "Compare methods on the same detections of one picture.")


def _remarks(first: Detections) -> list[str]:
    if not len(first):
        others = surest_others(first)
        return [f"Surest: {others}."] if others else []
    hidden = len(first) - MOST_ROWS
    return [*([f"and {hidden} more detections: see each method's own sheet"] if hidden > 0 else []), _RULE]


def _row(explanations: Sequence[Explanation], row: int, width: int) -> list[Image.Image]:
    original = explanations[0].picture.image
    picture = fitted(original, width, round(_TALLEST * width))
    found = stacked([(0, titled(row, title(explanations[0]), _NAME, width)),
                     (8, on_matte(_with_box(explanations[0], picture, row), width))], 0)
    return [found, *(_cell(one, picture, width) for one in explanations)]


def _with_box(explanation: Explanation, picture: Image.Image, row: int) -> Image.Image:
    assert explanation.detection is not None
    stretch, canvas = picture.width / explanation.picture.image.width, picture.copy()
    left, top, right, bottom = (stretch * side for side in explanation.detection.box_xyxy_px)
    draw_boxes(canvas, [Tagged((left, top, right, bottom), color_of(row), str(row + 1), str(row + 1))], Style(14, True))
    return canvas


def _cell(explanation: Explanation, picture: Image.Image, width: int) -> Image.Image:
    largest = map_shades(explanation).largest
    told = f"largest {number(largest)}" if largest else "all zero"
    return stacked([(0, paragraph(explanation.method, _NAME, width)),
                    (8, on_matte(picture_with_map(explanation, picture), width)),
                    (4, paragraph(told, _SMALL, width))], 0)
