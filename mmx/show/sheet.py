"""A figure as a sheet by matplotlib: pixels, or vectors with text. It grows with its texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from mmx.results import Picture
from mmx.show.blocks import (
    GUTTER,
    column,
    filled,
    on_matte,
    paragraph,
    paragraphs,
    scale_bar,
    shaded_words,
    space,
    titled,
    under_headings,
)
from mmx.show.colors import GREY, RULE
from mmx.show.figure import Figure, Row
from mmx.show.lettering import Style, without_a_font
from mmx.show.panels import Panel, strongest_words
from mmx.show.view import Pictures, view_block

if TYPE_CHECKING:
    from matplotlib.offsetbox import OffsetBox

_NARROWEST, _WIDTH, _WIDEST = 720, 1440, 2400
_LARGE = 960  # of a picture alone
_CELLS = (240, 440)  # widths of methods side by side
_MOST_WITH_TEXTS = 11  # words of an answer
_TALLEST, _TALLEST_IN_WIDTHS = 900, 1.5
_TITLE = Style(32, bold=True)
_QUESTION = Style(34)
_ANSWER = Style(26, bold=True)
_ORIGIN = Style(20, color=GREY)
_ROW = Style(24, bold=True)
_REMARK = Style(20)
_SMALL = Style(16, color=GREY)


@dataclass(frozen=True)
class _Cell:
    """How panels look: `width` pixels wide, with letters that fit."""

    width: int
    heading: Style
    words: Style
    tags_px: int
    height: int  # the most that a picture takes


@dataclass(frozen=True)
class _Body:
    """A block of panels and how wide it is."""

    width: int
    block: "OffsetBox"


def sheet(figure: Figure, density: int = 1) -> "OffsetBox":
    """The whole figure; `density` is that of its pictures.

    Raises:
        UsageError: a picture is missing.
    """
    pictures = Pictures(figure.pictures, density)
    body = _methods(figure, pictures) if len(figure.columns) > 1 and figure.rows else _items(figure, pictures)
    width = max([one.width for one in body] + [_NARROWEST])
    title = (shaded_words(figure.title_text, _QUESTION, width) if figure.title_text
             else paragraph(figure.title, _TITLE, width))
    blocks = [(0, space(width, 0)), (0, title)]
    blocks += [(2 if number else 10, paragraph(line, _REMARK if number else _ANSWER, width))
               for number, line in enumerate(figure.lines)]
    blocks += [(4, paragraph(figure.origin, _ORIGIN, width))]
    blocks += [(24, one.block) for one in body]
    blocks += [(20, paragraph(remark, _REMARK, width)) for remark in figure.remarks]
    small_print = (*figure.small_print, *without_a_font(_texts_in(figure)))
    if figure.scales or small_print:
        blocks += [(28, filled(width, 1, RULE)), *((12, scale_bar(scale, _SMALL, width)) for scale in figure.scales)]
        blocks += [(12, paragraphs(small_print, _SMALL, width))] if small_print else []
    return column(blocks)


def _items(figure: Figure, pictures: Pictures) -> list[_Body]:
    """The plain picture and a panel for each item in a grid; a picture with many boxes stands over them."""
    panels, overview = [row.panels[0] for row in figure.rows], figure.overview
    if figure.written is not None and len(panels) > _MOST_WITH_TEXTS:
        return [_strip([*([overview] if overview else []), *panels], pictures)]
    if overview is None:
        return [_alone(panels[0], pictures)] if len(panels) == 1 else [_item_grid(panels, pictures)] if panels else []
    if not panels:
        return [_overview(overview, pictures)]
    if not overview.is_tagged or (len(panels) < 3 and pictures.shape < 1.8):
        return [_item_grid([overview, *panels], pictures)]
    columns = min(len(panels), 2 if pictures.shape > 2.2 else 3 if pictures.shape > 0.62 else 4)
    return [_overview(overview, pictures), _grid(panels, pictures, _item_cell(columns), columns)]


def _overview(panel: Panel, pictures: Pictures) -> _Body:
    cell = _item_cell(1)
    return _Body(cell.width, _body(panel, pictures, cell))


def _alone(panel: Panel, pictures: Pictures) -> _Body:
    """A single panel, large."""
    cell = _Cell(max(_NARROWEST, min(_LARGE, round(_LARGE * pictures.shape))), _ROW, _QUESTION, 20, _LARGE)
    body = _body(panel, pictures, cell)
    return _Body(cell.width, column([(0, _heading(panel, cell)), (8, body)]) if panel.heading else body)


def _item_grid(panels: Sequence[Panel], pictures: Pictures) -> _Body:
    columns = _columns(len(panels), pictures.shape)
    return _grid(panels, pictures, _item_cell(columns), columns)


def _strip(panels: Sequence[Panel], pictures: Pictures) -> _Body:
    """Many words of an answer, a small picture each: of the words that they rest on, the strongest are told."""
    columns = min((6, 5, 4), key=lambda columns: -len(panels) % columns)
    small = [replace(panel, texts=(), caption=strongest_words(panel.texts)) for panel in panels]
    return _grid(small, pictures, _item_cell(columns, 18), columns)


def _method_strip(figure: Figure, place: int, pictures: Pictures) -> _Body:
    plain = figure.rows[0].plain
    panels = [replace(row.panels[place], heading=row.heading, note=row.plain.note if row.plain else "")
              for row in figure.rows]
    strip = _strip([*([replace(plain, note="")] if plain else []), *panels], pictures)
    heading = titled(figure.columns[place], None, _ROW, strip.width)
    return _Body(strip.width, column([(0, heading), (12, strip.block)]))


def _item_cell(columns: int, letters_px: int = 22) -> _Cell:
    width = (_WIDTH + GUTTER) // columns - GUTTER
    height = min(_TALLEST, round(_TALLEST_IN_WIDTHS * width))
    return _Cell(width, Style(letters_px, bold=True), Style(letters_px), 18, height)


def _columns(count: int, width_to_height: float) -> int:
    """As few empty places as can be; two of wide pictures."""
    if width_to_height > 1.8 or count <= 4:
        return count if count < 4 and width_to_height <= 1.8 else min(count, 2)
    return min((3, 4), key=lambda columns: -count % columns)


def _methods(figure: Figure, pictures: Pictures) -> list[_Body]:
    """A block for each item: its heading, and a grid of the plain picture and a panel for each method.

    Of words of an answer a block for each method.
    """
    if figure.written is not None:
        return [_method_strip(figure, place, pictures) for place in range(len(figure.columns))]
    count = len(figure.columns) + (figure.rows[0].plain is not None)
    widths = (7, 6, 5, 4) if len(figure.rows) > 1 else (5, 4, 3)  # so that an item takes few lines, or is large
    columns = count if count <= 4 else min(widths, key=lambda columns: -count % columns)
    width = min(_CELLS[1], max(_CELLS[0], (_WIDEST + GUTTER) // columns - GUTTER))
    cell = _Cell(width, Style(18, bold=True), Style(18), 15, round(_TALLEST_IN_WIDTHS * width))
    return [_row(row, pictures, cell, columns) for row in figure.rows]


def _row(row: Row, pictures: Pictures, cell: _Cell, columns: int) -> _Body:
    grid = _grid([*([row.plain] if row.plain else []), *row.panels], pictures, cell, columns)
    if not row.heading:
        return grid
    return _Body(grid.width, column([(0, titled(row.heading, row.color, _ROW, grid.width)), (12, grid.block)]))


def _grid(panels: Sequence[Panel], pictures: Pictures, cell: _Cell, columns: int) -> _Body:
    headings = [_heading(panel, cell) for panel in panels]
    return _Body(columns * (cell.width + GUTTER) - GUTTER,
                 under_headings(headings, [_body(panel, pictures, cell) for panel in panels], columns))


def _heading(panel: Panel, cell: _Cell) -> "OffsetBox":
    return titled(panel.heading, panel.color, cell.heading, cell.width)


def _body(panel: Panel, pictures: Pictures, cell: _Cell) -> "OffsetBox":
    """Pictures beneath each other, then what is read there: words on their colours, scales, the caption."""
    drawn = [view_block(view, pictures, cell.width, cell.height, cell.tags_px) for view in panel.views]
    blocks = [(0, space(cell.width, 0))]
    blocks += [(12 if number else 0, on_matte(picture, cell.width)) for number, picture in enumerate(drawn)]
    blocks += [(10, shaded_words(text, cell.words, cell.width)) for text in panel.texts]
    blocks += [(10, scale_bar(scale, _SMALL, cell.width)) for scale in panel.scales]
    blocks += [(4, paragraph(panel.below, _SMALL, cell.width))] if panel.below else []
    return column(blocks)


def _texts_in(told: Any) -> Iterator[str]:
    """Every text of a figure, wherever in it."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, tuple):
        for one in told:
            yield from _texts_in(one)
    elif is_dataclass(told) and not isinstance(told, Picture):
        for one in fields(told):
            yield from _texts_in(getattr(told, one.name))
