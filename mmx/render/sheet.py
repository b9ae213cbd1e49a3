"""Several methods side by side on one picture and question."""

from collections.abc import Sequence

from PIL import Image

from mmx.errors import UsageError
from mmx.render.canvas import blank, stacked
from mmx.render.colors import GREY, RULE
from mmx.render.flow import paragraph, paragraphs
from mmx.render.legend import scale_bar
from mmx.render.panel import answer_lines, on_matte, question_block, small_print
from mmx.render.picture import picture_with_regions, region_shades, scaled_picture
from mmx.render.typeset import Style
from mmx.types import Explanation

_MARGIN = 48
GUTTER = 36
_CELL = 440
_QUESTION = Style(32, bold=True)
_ANSWER = Style(24)
_METHOD = Style(22, bold=True)
_WORDS = Style(20)
_SMALL = Style(16, color=GREY)
HOW_SCALED = (
    "Every map is scaled to its own largest score, and words and regions each to their own: "
    "compare where, not how much."
)


def comparison_sheet(explanations: Sequence[Explanation]) -> Image.Image:
    """The plain picture and one cell per method in a grid, under the question and answer that they share."""
    _require_one_subject(explanations)
    first = explanations[0]
    plain = stacked([(0, paragraph("picture", _METHOD, _CELL)), (8, on_matte(scaled_picture(first, _CELL), _CELL))], 0)
    cells = [plain, *(_cell(explanation) for explanation in explanations)]
    grid = grid_of_cells(cells, _columns(len(cells)))
    width = grid.width
    answer, aside = answer_lines(first)
    blocks = [(0, paragraph(first.question, _QUESTION, width)), (4, paragraph(answer, _ANSWER, width))]
    blocks += [(0, paragraph(aside, _SMALL, width))] if aside else []
    blocks += [(28, grid), (28, blank(width, 1, RULE))]
    blocks += [(12, paragraphs([HOW_SCALED, *origin_lines(explanations)], _SMALL, width))]
    return stacked(blocks, _MARGIN)


def _require_one_subject(explanations: Sequence[Explanation]) -> None:
    if not explanations:
        raise UsageError("A comparison needs at least one explanation.")
    subjects = {(e.picture.sha256, e.question, e.target.index, e.model.name) for e in explanations}
    if len(subjects) > 1:
        raise UsageError(
            "The explanations to compare differ in picture, question, explained answer or model.",
            "Compare methods on one picture, one question, one answer and one model.",
        )


def _cell(explanation: Explanation) -> Image.Image:
    picture = picture_with_regions(explanation, _CELL, tag_px=15)
    scale = scale_bar(region_shades(explanation), "regions", _SMALL, _CELL)
    words = question_block(explanation, _WORDS, _CELL)
    title = paragraph(explanation.method, _METHOD, _CELL)
    return stacked([(0, title), (8, on_matte(picture, _CELL)), (10, scale), (6, words)], 0)


def _columns(count: int) -> int:
    """As few empty places as can be."""
    if count <= 4:
        return 2 if count == 4 else count
    return min((3, 4), key=lambda columns: -count % columns)


def grid_of_cells(cells: Sequence[Image.Image], columns: int) -> Image.Image:
    """Cells of one width, row by row; a row is as high as its highest cell."""
    rows = [cells[start:start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    pitch = cells[0].width + GUTTER
    canvas = blank(columns * pitch - GUTTER, sum(heights) + GUTTER * (len(rows) - 1))
    y = 0
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            canvas.paste(cell, (column * pitch, y))
        y += height + GUTTER
    return canvas


def under_headings(headings: Sequence[Image.Image], bodies: Sequence[Image.Image], columns: int) -> list[Image.Image]:
    """Cells of a grid whose bodies stand at one height in each row, however many lines their headings have."""
    cells = []
    for start in range(0, len(headings), columns):
        row = slice(start, start + columns)
        height = max(heading.height for heading in headings[row])
        cells += [stacked([(0, heading), (8 + height - heading.height, body)], 0)
                  for heading, body in zip(headings[row], bodies[row], strict=True)]
    return cells


def origin_lines(explanations: Sequence[Explanation]) -> list[str]:
    """Model and regions, and every note once."""
    first = explanations[0]
    origin = f"{first.model.name} \u00b7 regions: {first.region_provider}"
    notes = [line for e in explanations for line in small_print(e) if line.startswith("Note: ")]
    return [origin, *dict.fromkeys(notes)]
