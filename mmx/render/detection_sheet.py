"""All detections of a picture on one sheet: every box, then a panel for each detection with its relevance."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mmx.errors import shown_path
from mmx.render.boxes import Tagged, color_of, draw_boxes, draw_outline
from mmx.render.canvas import blank, rounded_box, stacked
from mmx.render.colors import GREY, INK, RULE, Shades, shades_of
from mmx.render.detection_words import counted, in_words, surest_others, title
from mmx.render.flow import paragraph, paragraphs
from mmx.render.legend import scale_bar
from mmx.render.overlay import overlay_map
from mmx.render.panel import on_matte
from mmx.render.picture import fitted
from mmx.render.sheet import GUTTER, grid_of_cells, under_headings
from mmx.render.typeset import Style
from mmx.types import Detections, Explanation

MOST_PANELS = 24
_WIDTH = 1440
_TALLEST = 900
_TALLEST_IN_WIDTHS = 1.5
_MARGIN = 48
_HEADER = Style(32, bold=True)
_ORIGIN = Style(20, color=GREY)
_TITLE = Style(22, bold=True)
_SMALL = Style(16, color=GREY)
_MORE = Style(20)
HOW_SCALED = "Each map is scaled to its own largest score: compare where, not how much."


def detection_sheet(detections: Detections) -> Image.Image:
    """The whole sheet; it grows with its texts, and nothing in it is cut."""
    blocks = [(0, paragraph(file_name(detections), _HEADER, _WIDTH)),
              (2, paragraph(_origin(detections), _ORIGIN, _WIDTH))]
    blocks += [(24, block) for block in _body(detections)]
    if len(detections) > MOST_PANELS:
        blocks += [(20, paragraph(more(detections), _MORE, _WIDTH))]
    notes = [f"Note: {note}" for note in dict.fromkeys([*detections.notes, *detections.picture.notes])]
    small = [*([HOW_SCALED] if len(detections) else []), *notes]
    if small:
        blocks += [(28, blank(_WIDTH, 1, RULE)), (12, paragraphs(small, _SMALL, _WIDTH))]
    return stacked(blocks, _MARGIN)


def file_name(detections: Detections) -> str:
    return shown_path(detections.picture.source.rstrip("/").rpartition("/")[2] or detections.picture.source)


def numbered(explanations: Sequence[Explanation], stretch: float) -> list[Tagged]:
    """The boxes of a picture that is drawn `stretch` times as large."""
    boxes = []
    for number, one in enumerate(explanations):
        assert one.detection is not None
        left, top, right, bottom = (stretch * side for side in one.detection.box_xyxy_px)
        boxes.append(Tagged((left, top, right, bottom), color_of(number), f"{number + 1} {in_words(one.target)}",
                            str(number + 1)))
    return boxes


def map_shades(explanation: Explanation) -> Shades:
    """The map on its own scale, (rows, cols)."""
    return shades_of(explanation.scores["image"].reshape(explanation.grid))


def picture_with_map(explanation: Explanation, picture: Image.Image) -> Image.Image:
    """The relevance over a picture that was scaled for display, and the box of the detection."""
    assert explanation.detection is not None
    shades = map_shades(explanation)
    drawn = overlay_map(picture, shades.strengths, shades.colormap)
    stretch = np.tile(np.divide(picture.size, explanation.picture.image.size), 2)
    draw_outline(drawn, stretch * np.array(explanation.detection.box_xyxy_px), INK, 2 + (max(drawn.size) > 600))
    return drawn


def titled(number: int, text: str, style: Style, width: int) -> Image.Image:
    """A title behind a chip in the colour of its box."""
    chip = round(0.8 * style.size)
    words = paragraph(text, style, width - chip - style.size // 2)
    canvas = blank(width, words.height)
    top = round(0.32 * style.size)
    rounded_box(canvas, (0, top, chip, top + chip), chip // 4, color_of(number))
    canvas.paste(words, (chip + style.size // 2, 0))
    return canvas


def _origin(detections: Detections) -> str:
    return " \u00b7 ".join([counted(detections), detections.model.name, detections.method])


def more(detections: Detections) -> str:
    """The detections that have no panel."""
    rest = [f"{number} {in_words(one.target)}" for number, one in enumerate(detections, 1) if number > MOST_PANELS]
    return f"and {len(rest)} more, whose maps the JSON file has: {', '.join(rest)}"


def _body(detections: Detections) -> list[Image.Image]:
    shown, image = detections.explanations[:MOST_PANELS], detections.picture.image
    if not shown:
        others = surest_others(detections)
        named = f"Nothing is explained: {counted(detections)}. " + (f"Surest: {others}." if others else "")
        return [_overview(detections, _WIDTH), paragraph(named, _MORE, _WIDTH)]
    if len(shown) < 3 and image.width < 1.8 * image.height:
        width = _cell_width(len(shown) + 1)
        headings = [paragraph("picture", _TITLE, width), *_headings(shown, width)]
        pictures = [_overview(detections, width), *_panels(shown, width)]
        return [_grid(headings, pictures, len(headings))]
    columns = min(len(shown), _columns(image.width / image.height))
    width = _cell_width(columns)
    return [_overview(detections, _WIDTH), _grid(_headings(shown, width), _panels(shown, width), columns)]


def _grid(headings: Sequence[Image.Image], bodies: Sequence[Image.Image], columns: int) -> Image.Image:
    return grid_of_cells(under_headings(headings, bodies, columns), columns)


def _columns(width_to_height: float) -> int:
    return 2 if width_to_height > 2.2 else 3 if width_to_height > 0.62 else 4


def _cell_width(columns: int) -> int:
    return (_WIDTH + GUTTER) // columns - GUTTER


def _height(width: int) -> int:
    return min(_TALLEST, round(_TALLEST_IN_WIDTHS * width))


def picture_with_boxes(detections: Detections, width: int, height: int) -> Image.Image:
    """The picture as large as fits, with every box on it."""
    original = detections.picture.image
    picture = fitted(original, width, height)
    draw_boxes(picture, numbered(detections.explanations, picture.width / original.width), Style(18, bold=True))
    return picture


def _overview(detections: Detections, width: int) -> Image.Image:
    return on_matte(picture_with_boxes(detections, width, _height(width)), width)


def _headings(explanations: Sequence[Explanation], width: int) -> list[Image.Image]:
    return [titled(number, f"{number + 1} {title(one)}", _TITLE, width) for number, one in enumerate(explanations)]


def _panels(explanations: Sequence[Explanation], width: int) -> list[Image.Image]:
    picture = fitted(explanations[0].picture.image, width, _height(width))
    return [stacked([(0, on_matte(picture_with_map(one, picture), width)),
                     (10, scale_bar(map_shades(one), "relevance", _SMALL, width))], 0) for one in explanations]
