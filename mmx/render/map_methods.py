"""Several methods side by side on the classes or texts of one picture: a block for each of these."""

from collections.abc import Sequence

from PIL import Image

from mmx.errors import UsageError
from mmx.render.canvas import blank, stacked
from mmx.render.colors import GREY, RULE
from mmx.render.flow import paragraph, paragraphs
from mmx.render.legend import number
from mmx.render.map_sheet import file_name, framed, map_shades, picture_with_relevance, small_print
from mmx.render.map_words import counted, heading, layers_read
from mmx.render.panel import on_matte, question_block
from mmx.render.picture import fitted
from mmx.render.sheet import grid_of_cells
from mmx.render.typeset import Style
from mmx.types import Explanation, Explanations

MOST_BLOCKS = 8
_CELL = 400
_TALLEST = 1.5  # in widths
_MARGIN = 48
_HEADER = Style(32, bold=True)
_ORIGIN = Style(20, color=GREY)
_TITLE = Style(24, bold=True)
_METHOD = Style(18, bold=True)
_WORDS = Style(18)
_SMALL = Style(14, color=GREY)


def map_methods_sheet(results: Sequence[Explanations]) -> Image.Image:
    """Each class or text by every method, beside the plain picture."""
    _require_one_subject(results)
    first = results[0]
    columns = _columns(len(results) + 1)
    blocks = [_block([found[index] for found in results], columns) for index in range(min(MOST_BLOCKS, len(first)))]
    width = blocks[0].width
    hidden = len(first) - MOST_BLOCKS
    more = [f"and {hidden} more: see each method's own sheet"] if hidden > 0 else []
    origin = " \u00b7 ".join(filter(None, [counted(first), first.model.name, layers_read(first[0])]))
    return stacked([
        (0, paragraph(file_name(first), _HEADER, width)), (2, paragraph(origin, _ORIGIN, width)),
        *((28, block) for block in blocks), (28, blank(width, 1, RULE)),
        (12, paragraphs([*more, *small_print(results)], Style(16, color=GREY), width))], _MARGIN)


def _require_one_subject(results: Sequence[Explanations]) -> None:
    if not results:
        raise UsageError("A comparison needs at least one result.")
    subjects = {(one.picture.sha256, one.model, tuple((each.question, each.target.index) for each in one))
                for one in results}
    if len(subjects) > 1:
        raise UsageError("The results to compare differ in picture, model, classes or texts.",
                         "Compare methods on the same classes or texts of one picture.")


def _block(explanations: Sequence[Explanation], columns: int) -> Image.Image:
    first = explanations[0]
    picture = fitted(first.picture.image, _CELL, round(_TALLEST * _CELL))
    plain = stacked([(0, paragraph("picture", _METHOD, _CELL)), (8, on_matte(framed(first, picture), _CELL))], 0)
    grid = grid_of_cells([plain, *(_cell(one, picture) for one in explanations)], columns)
    named = f"{first.question}: {heading(first)}" if first.match else heading(first)
    return stacked([(0, paragraph(named, _TITLE, grid.width)), (12, grid)], 0)


def _cell(explanation: Explanation, picture: Image.Image) -> Image.Image:
    largest = map_shades(explanation).largest
    blocks = [(0, paragraph(explanation.method, _METHOD, _CELL)),
              (8, on_matte(picture_with_relevance(explanation, picture), _CELL))]
    blocks += [(8, question_block(explanation, _WORDS, _CELL))] if explanation.tokens else []
    told = f"largest {number(largest)}" if largest else "all zero"
    return stacked([*blocks, (4, paragraph(told, _SMALL, _CELL))], 0)


def _columns(count: int) -> int:
    """As few empty places as can be."""
    return count if count <= 3 else min((3, 4, 5), key=lambda columns: -count % columns)
