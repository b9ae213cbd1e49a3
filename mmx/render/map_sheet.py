"""Classes or texts of one picture on one sheet: the picture, then a panel for each with its relevance."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.errors import shown_path
from mmx.render.boxes import draw_outline
from mmx.render.canvas import blank, stacked
from mmx.render.colors import GREY, RULE, Shades, shades_of
from mmx.render.flow import paragraph, paragraphs
from mmx.render.legend import scale_bar
from mmx.render.map_words import counted, heading, layers_read, top_classes
from mmx.render.overlay import overlay_map
from mmx.render.panel import on_matte, question_block
from mmx.render.picture import fitted
from mmx.render.sheet import GUTTER, grid_of_cells, under_headings
from mmx.render.typeset import Style
from mmx.types import Explanation, Explanations

MOST_PANELS = 24
_WIDTH = 1440
_MOST_COLUMNS = 4
_WIDE = 1.8
_TALLEST_IN_WIDTHS = 1.5
_MARGIN = 48
_HEADER = Style(32, bold=True)
_ORIGIN = Style(20, color=GREY)
_TITLE = Style(22, bold=True)
_WORDS = Style(22)
_SMALL = Style(16, color=GREY)
_FRAME = 2
_NEARLY_ALL = 0.97


def map_sheet(found: Explanations) -> Image.Image:
    """The whole sheet; it grows with its texts, and nothing in it is cut."""
    shown = found.explanations[:MOST_PANELS]
    image = found.picture.image
    columns = _columns(len(shown) + 1, image.width / image.height)
    width = (_WIDTH + GUTTER) // columns - GUTTER
    picture = fitted(image, width, round(_TALLEST_IN_WIDTHS * width))
    headings = [paragraph("picture", _TITLE, width), *(paragraph(heading(one), _TITLE, width) for one in shown)]
    bodies = [on_matte(framed(found[0], picture), width), *(_panel(one, picture, width) for one in shown)]
    grid = grid_of_cells(under_headings(headings, bodies, columns), columns)
    return stacked([
        (0, paragraph(file_name(found), _HEADER, _WIDTH)), (2, paragraph(_origin(found), _ORIGIN, _WIDTH)),
        (24, grid), (28, blank(_WIDTH, 1, RULE)), (12, paragraphs(small_print([found]), _SMALL, _WIDTH))], _MARGIN)


def file_name(found: Explanations) -> str:
    return shown_path(found.picture.source.rstrip("/").rpartition("/")[2] or found.picture.source)


def map_shades(explanation: Explanation) -> Shades:
    """The map on its own scale, (rows, cols)."""
    return shades_of(explanation.scores["image"].reshape(explanation.grid))


def picture_with_relevance(explanation: Explanation, picture: Image.Image) -> Image.Image:
    """The relevance over a picture that was scaled for display, and a frame around what the model saw of it."""
    shades = map_shades(explanation)
    return framed(explanation, overlay_map(picture, shades.strengths, shades.colormap, _view(explanation, picture)))


def framed(explanation: Explanation, picture: Image.Image) -> Image.Image:
    """A frame around what the model saw, where that is not nearly the whole picture."""
    view, drawn = _view(explanation, picture), picture.copy()
    if view is not None and _is_cut(explanation):
        draw_outline(drawn, view, GREY, _FRAME)
    return drawn


def small_print(results: Sequence[Explanations]) -> list[str]:
    """What else was probable, how the colours are scaled, which layers were read, and every note."""
    first = results[0]
    rule = "Each map is scaled to its own largest score: compare where, not how much."
    if first.of_texts:
        rule = "Maps and texts are each scaled to their own largest score: compare where, not how much."
    hidden = len(first) - MOST_PANELS
    notes = dict.fromkeys(note for found in results for one in found for note in one.notes)
    told = [f"and {hidden} more, which the JSON file has" if hidden > 0 else "", top_classes(first), rule,
            "The model sees no more than what is inside the frame." if _is_cut(first[0]) else "",
            *(f"Note: {note}" for note in dict.fromkeys([*notes, *first.picture.notes]))]
    return [line for line in told if line]


def _is_cut(explanation: Explanation) -> bool:
    view, (width, height) = explanation.view_xyxy_px, explanation.picture.image.size
    return view is not None and (view[2] - view[0] < _NEARLY_ALL * width or view[3] - view[1] < _NEARLY_ALL * height)


def _origin(found: Explanations) -> str:
    return " \u00b7 ".join(filter(None, [counted(found), found.model.name, found.method, layers_read(found[0])]))


def _columns(count: int, width_to_height: float) -> int:
    """As few empty places as can be; two of wide pictures."""
    if width_to_height > _WIDE or count <= _MOST_COLUMNS:
        return count if count < _MOST_COLUMNS and width_to_height <= _WIDE else 2
    return min((3, 4), key=lambda columns: -count % columns)


def _panel(explanation: Explanation, picture: Image.Image, width: int) -> Image.Image:
    blocks = [(0, on_matte(picture_with_relevance(explanation, picture), width))]
    blocks += [(10, question_block(explanation, _WORDS, width))] if explanation.tokens else []
    return stacked([*blocks, (8, scale_bar(map_shades(explanation), "relevance", _SMALL, width))], 0)


def _view(explanation: Explanation, picture: Image.Image) -> tuple[float, float, float, float] | None:
    """What the model saw, in the pixels of a picture that was scaled for display; None for all of it."""
    if explanation.view_xyxy_px is None:
        return None
    stretch = np.tile(np.divide(picture.size, explanation.picture.image.size), 2)
    left, top, right, bottom = (stretch * np.array(explanation.view_xyxy_px)).tolist()
    return left, top, right, bottom
