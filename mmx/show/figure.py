"""One figure as plain data, which PNG, HTML and the terminal read: rows are items, columns are methods."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmx.errors import UsageError
from mmx.results import Explanation, Patches, Picture, Regions, Words
from mmx.show import wording
from mmx.show.colors import RGB, Look, Shades
from mmx.show.flow import Word
from mmx.show.panels import (
    Map,
    Outlines,
    Panel,
    Scale,
    Text,
    all_elements,
    chip,
    frames,
    is_same_for_all,
    item_panel,
    method_panel,
    numbered,
    overview_panel,
    plain_panel,
    word_panel,
)
from mmx.show.tokens import covered, scored_words

MOST_ROWS, MOST_ROWS_OF_METHODS = 24, 8
MOST_WORDS_OF_METHODS = 11
_MOST_NAMED, _MOST_TITLES = 100, 8
_KINDS = ((Patches, "maps"), (Regions, "regions"), (Words, "words"))


@dataclass(frozen=True)
class Row:
    """An item by every method, a panel each; `plain` is its picture without relevance, where methods are compared."""

    heading: str
    panels: tuple[Panel, ...]
    plain: Panel | None = None
    color: RGB | None = None


@dataclass(frozen=True)
class Written:
    """An answer that is explained word by word.

    Attributes:
        words: all of it.
        score: how probable it is, in words.
        places: of each row, the words that it explains.
    """

    words: tuple[Word, ...]
    score: str
    places: tuple[range, ...]


@dataclass(frozen=True)
class Figure:
    """Everything that a reader of explanations is shown.

    Attributes:
        title: a question, or the name of a picture; `title_text` is that question with its words shaded.
        lines: the answer and its runners-up.
        origin: how much was explained, by which model and method.
        columns: the methods.
        overview: the pictures without relevance, with every box that was found.
        remarks: what has no panel, in words.
        scales: the colours, where panels share them.
        written: the answer, where rows are words of it.
    """

    title: str
    title_text: Text | None
    lines: tuple[str, ...]
    origin: str
    pictures: tuple[Picture, ...]
    columns: tuple[str, ...]
    overview: Panel | None
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    scales: tuple[Scale, ...]
    small_print: tuple[str, ...]
    written: Written | None = None


def figure_of(explanations: Sequence[Explanation], look: Look | None = None, every_word: bool = False) -> Figure:
    """The figure of one explanation, or of several of the same items by different methods.

    Args:
        every_word: of an answer that was written, however many there are.

    Raises:
        UsageError: there is none, or they differ in picture, model or items.
        ValueError: scores do not fit what they are scores of, or are not finite.
    """
    require_one_subject(explanations)
    first, alone, look = explanations[0], len(explanations) == 1, look or Look()
    most = MOST_ROWS if alone else MOST_WORDS_OF_METHODS if first.answer else MOST_ROWS_OF_METHODS
    most = len(first) if first.answer and every_word else most
    rows = _items(first, look, most) if alone else _items_by_method(explanations, look, most)
    written = _written(first, rows)
    overview = _overview(first, rows, alone)
    question, title_text = first.asked.question, None
    if question is not None and len(first) == 1:
        rows, title_text = _under_question(rows[0], question, keeps_heading=overview is not None and alone)
    return Figure(
        title=wording.file_name(first) if question is None else question, title_text=title_text,
        lines=() if question is None else tuple(filter(None, wording.answer_lines(first))),
        origin=_origin(explanations), pictures=first.pictures, columns=tuple(one.method for one in explanations),
        overview=overview, rows=rows,
        remarks=_remarks(first, len(first) if all(map(is_same_for_all, explanations)) else len(rows), alone),
        scales=() if alone and written is None else _shared_scales(rows), small_print=_small_print(explanations, rows),
        written=written)


def require_one_subject(explanations: Sequence[Explanation]) -> None:
    """Raises UsageError where there is nothing to show, or not one subject."""
    if not explanations:
        raise UsageError("There is nothing to compare.", "Give at least one explanation.")
    if len({_subject(one) for one in explanations}) > 1:
        raise UsageError("The explanations to compare differ in picture, model or what they explain.",
                         "Compare methods on the same items of one picture by one model.")


def _subject(one: Explanation) -> tuple[object, ...]:
    items = tuple((item.kind, item.index, item.label, item.query) for item in one)
    return tuple(picture.sha256 for picture in one.pictures), one.model, one.asked.question, items


def _items(explanation: Explanation, look: Look, most: int) -> tuple[Row, ...]:
    """One panel of what is the same for every item."""
    if is_same_for_all(explanation):
        panel = replace(item_panel(explanation, 0, look), heading=_for_all(explanation))
        return (Row(panel.heading, (panel,)),)
    made = word_panel if explanation.answer and len(explanation) > 1 else item_panel
    panels = [made(explanation, index, look) for index in range(min(len(explanation), most))]
    return tuple(Row(panel.heading, (panel,), color=panel.color) for panel in panels)


def _items_by_method(explanations: Sequence[Explanation], look: Look, most: int) -> tuple[Row, ...]:
    """What a method says of every item alike is shown with the first."""
    first, same = explanations[0], [one.method for one in explanations if is_same_for_all(one)]
    if len(same) == len(explanations):
        panels = tuple(method_panel(one, 0, look) for one in explanations)
        plain = replace(plain_panel(first, 0), note="") if first.pictures else None
        return (Row(_for_all(first), panels, plain),)
    rows = []
    for index in range(min(len(first), most)):
        shown = [one for one in explanations if not index or one.method not in same]
        plain = plain_panel(first, index) if first.pictures else None
        if plain and index and same:
            plain = replace(plain, caption=f"As above, whatever the target: {wording.listed(same)}")
        rows.append(Row(numbered(first, index), tuple(method_panel(one, index, look) for one in shown), plain,
                        chip(first[index], index)))
    return tuple(rows)


def _written(explanation: Explanation, rows: Sequence[Row]) -> Written | None:
    answer = explanation.answer
    said = [one for one in all_elements(explanation) if isinstance(one, Words) and one.text == answer]
    if not answer or not said or len(rows) < 2:
        return None
    words = tuple(scored_words(answer, said[-1].tokens, np.zeros(len(said[-1]))))
    places = tuple(covered(words, answer, item.span) for item in explanation.items[:len(rows)] if item.span)
    whole = explanation.predictions[0]
    return Written(words, wording.score_in_words(whole.score, whole.unit), places)


def _for_all(explanation: Explanation) -> str:
    titles = [wording.title(item, explanation.asked) for item in explanation.items[:_MOST_TITLES]]
    more = len(explanation) - len(titles)
    return f"the same for all {len(explanation)}: {wording.listed([*titles, *([f'{more} more'] if more else [])])}"


def _overview(first: Explanation, rows: Sequence[Row], alone: bool) -> Panel | None:
    """None where every picture is shown in its rows, and where regions lie so lightly on it that one panel says all."""
    if not first.pictures or (rows and not alone):
        return None
    layers = [layer for row in rows for view in row.panels[0].views for layer in view.layers]
    is_seen = len(rows) == 1 and first[0].box_xyxy_px is None and all(isinstance(one, Outlines) for one in layers)
    return None if is_seen else overview_panel(first)


def _under_question(row: Row, question: str, keeps_heading: bool) -> tuple[tuple[Row, ...], Text | None]:
    """One answer is told over the figure; of a single panel, so is the question with its words shaded."""
    panels, title_text = row.panels, None
    if len(panels) == 1:
        panel = panels[0] if keeps_heading else replace(panels[0], heading="")
        if len(panel.texts) == 1 and panel.texts[0].says(question):
            panel, title_text = replace(panel, texts=()), panel.texts[0]
        panels = (panel,)
    return (replace(row, heading="", panels=panels),), title_text


def _origin(explanations: Sequence[Explanation]) -> str:
    first = explanations[0]
    providers = dict.fromkeys(one.provider for one in all_elements(first) if isinstance(one, Regions) and one.provider)
    told = ["" if first.asked.question is not None and len(first) == 1 else wording.counted(first), first.model.name,
            first.method if len(explanations) == 1 else "",
            f"regions: {wording.listed([*providers])}" if providers else "", wording.layers_read(first.asked)]
    return " \u00b7 ".join(filter(None, told))


def _remarks(first: Explanation, shown: int, alone: bool) -> tuple[str, ...]:
    if not len(first):
        others = wording.surest_others(first)
        return (f"Nothing is explained: {wording.counted(first) or 'no items'}." +
                (f" Surest: {others}." if others else ""),)
    hidden = [numbered(first, index) for index in range(shown, len(first))]
    if not hidden:
        return ()
    named = f": {', '.join(hidden)}" if len(hidden) <= _MOST_NAMED else ""
    where = ", whose relevance the JSON file has" if alone else ", which each method's own figure shows"
    return (f"and {len(hidden)} more{where}{named}",)


def _shared_scales(rows: Sequence[Row]) -> tuple[Scale, ...]:
    """A scale for each kind of colours in use."""
    used = dict.fromkeys(layer.shades.colors for layer in _layers(rows) if layer.shades.strengths.any())
    return tuple(Scale("share of the largest score", Shades(np.ones(1), colors, 1.0)) for colors in used)


def _layers(rows: Sequence[Row]) -> Iterator[Map | Outlines]:
    return (layer for row in rows for panel in row.panels for view in panel.views for layer in view.layers)


def _small_print(explanations: Sequence[Explanation], rows: Sequence[Row]) -> tuple[str, ...]:
    """What else was probable, how colours are scaled, what the model saw, what is missing, and every note once."""
    first = explanations[0]
    scaled = [name for kind, name in _KINDS if any(isinstance(block.element, kind) for item in first
                                                   for block in first.blocks(item))]
    is_cut = any(frames(first, picture) for picture in range(len(first.pictures)))
    notes = dict.fromkeys(note for one in explanations
                          for note in (*one.notes, *(note for item in one for note in item.notes)))
    notes |= dict.fromkeys(note for picture in first.pictures for note in picture.notes)
    left_out = {method: why for one in explanations for method, why in one.left_out.items()}
    told = [wording.most_probable(first), wording.units_told(first),
            f"{wording.listed(scaled).capitalize()} are each scaled to their own largest score: compare where, "
            "not how much." if scaled else "",
            wording.speaks_against(explanations) if scaled else "",
            "The model sees no more than what is inside the frame." if is_cut else "",
            "Where patches lie over one another, their relevance is added, each spread evenly over its patch."
            if any(isinstance(layer, Map) and len(layer.grids) > 1 for layer in _layers(rows)) else "",
            *(f"Left out: {method}: {why}" for method, why in left_out.items() if len(explanations) > 1),
            *(f"Note: {note}" for note in notes)]
    return tuple(filter(None, told))
