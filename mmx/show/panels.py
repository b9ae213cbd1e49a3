"""The panels of a figure as plain data: what lies over a picture, which words stand on which colours, what to read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmx.results import Block, Box, Element, Explanation, Item, Patches, Region, Regions, Words
from mmx.show import wording
from mmx.show.colors import DISTINCT, GREY, INK, RGB, Look, Shades, shades_of
from mmx.show.flow import Word
from mmx.show.grids import by_stream_of, grids_of, together
from mmx.show.overlay import Grid
from mmx.show.text import without_space
from mmx.show.tokens import covered

_NEARLY_ALL = 0.97


@dataclass(frozen=True)
class Map:
    """Relevance over patches: strengths of each of its `grids`, which are added where they lie over one another.

    `shades` are of what they come to, (patches,). `cells` shows each patch in its own colour, where they are not spread
    smoothly.
    """

    shades: Shades
    grids: tuple[Grid, ...]
    cells: bool = False


@dataclass(frozen=True)
class Outlines:
    """Relevance of regions: shades (regions,)."""

    shades: Shades
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Mark:
    """A box over a picture; one with a `tag` is thick and named, by `short` where the tag has no room."""

    box_xyxy_px: Box
    color: RGB
    tag: str = ""
    short: str = ""


@dataclass(frozen=True)
class View:
    """A picture by its place in the figure, what lies over it, and what it shows in words."""

    picture: int
    layers: tuple[Map | Outlines, ...]
    marks: tuple[Mark, ...]
    alt: str


@dataclass(frozen=True)
class Text:
    """A text whose words stand on their colours; shades (words,).

    `explained` are the places of the words that all of it is about, where they are words of it. In a `signed` one a
    score below zero is evidence against.
    """

    words: tuple[Word, ...]
    shades: Shades
    explained: range = range(0)
    signed: bool = False

    def says(self, text: str) -> bool:
        """Whether it is this text, but for white space."""
        return without_space("".join(word.text for word in self.words)) == without_space(text)

    def until(self, explained: range) -> "Text":
        """The same up to the words that are explained: what is written later had no part in them."""
        shades = replace(self.shades, strengths=self.shades.strengths[:explained.stop])
        return replace(self, words=self.words[:explained.stop], shades=shades, explained=explained)


@dataclass(frozen=True)
class Scale:
    """The colours in use, with the raw scores at their ends."""

    label: str
    shades: Shades

    @property
    def without(self) -> str:
        """Why there are no colours; empty where there are."""
        if self.shades.negligible:
            return f"all but zero: none is over {wording.number(self.shades.largest)}, which is rounding noise"
        return "" if self.shades.largest else "all zero" if self.shades.strengths.size else "none"


@dataclass(frozen=True)
class Panel:
    """Pictures, the texts that belong to them, and what to read there; `color` is of a chip before the heading."""

    heading: str
    views: tuple[View, ...]
    texts: tuple[Text, ...] = ()
    scales: tuple[Scale, ...] = ()
    caption: str = ""
    note: str = ""
    color: RGB | None = None

    @property
    def below(self) -> str:
        """What is read beneath it."""
        return " \u00b7 ".join(filter(None, [self.caption, self.note]))

    @property
    def is_tagged(self) -> bool:
        """Whether boxes with names lie over it, so that it needs room."""
        return any(mark.tag for view in self.views for mark in view.marks)


def item_panel(explanation: Explanation, index: int, look: Look) -> Panel:
    """An item with its relevance, its scales and the strongest regions."""
    item = explanation[index]
    blocks = explanation.blocks(item)
    views, scales = _views(explanation, item, blocks, look)
    rankings = [wording.region_ranking(block.element, block.scores, explanation.pictures[block.element.picture].size)
                for block in blocks if isinstance(block.element, Regions) and block.scores.any()
                and not shades_of(block.scores, explanation.model.dtype).negligible]
    shows_label = any(isinstance(block.element, Words) and block.element.text == item.label for block in blocks)
    return Panel(numbered(explanation, index, named=not shows_label), views,
                 _up_to_its_words(_texts(blocks, explanation, look), explanation, item), scales,
                 f"strongest: {'; '.join(rankings)}" if rankings else "",
                 "" if is_same_for_all(explanation) else wording.need_of_picture(item), chip(item, index))


def layers_of(explanation: Explanation, item: Item, picture: int, look: Look) -> list[Map | Outlines]:
    """What lies over one of an item's pictures."""
    views, _ = _views(explanation, item, explanation.blocks(item), look)
    return [layer for view in views if view.picture == picture for layer in view.layers]


def method_panel(explanation: Explanation, index: int, look: Look) -> Panel:
    """An item with its relevance, under the method's name; its largest score is told, for its colours are shared."""
    return replace(word_panel(explanation, index, look), heading=explanation.method, note="", color=None)


def word_panel(explanation: Explanation, index: int, look: Look) -> Panel:
    """An item with its relevance, one among many: its largest score is told, for its colours are shared."""
    panel = item_panel(explanation, index, look)
    largest = [one.without or f"largest {wording.number(one.shades.largest)}" for one in panel.scales]
    return replace(panel, scales=(), caption=", ".join(largest))


def strongest_words(texts: Sequence[Text], with_scores: bool = False) -> str:
    """ "strongest words: ball, red", without marks; empty where no word has relevance.

    Where no sign is seen, those that speak against are left out.
    """
    words = [word for text in texts for word in text.words if any(map(str.isalnum, word.text))
             and (with_scores or word.score > 0 or not text.signed)]
    best = wording.ranked(np.array([word.score for word in words]))
    told = [f"{words[place].text} {wording.number(words[place].score)}" if with_scores else words[place].text
            for place in best]
    return f"strongest words: {', '.join(told)}" if told else ""


def plain_panel(explanation: Explanation, index: int) -> Panel:
    """The pictures of an item without relevance, and its box in its own colour."""
    box = explanation[index].box_xyxy_px
    return replace(_plain(explanation, () if box is None else (Mark(box, color_of(index)),)),
                   note=wording.need_of_picture(explanation[index]))


def overview_panel(explanation: Explanation) -> Panel:
    """The pictures without relevance, and every box with its name."""
    return _plain(explanation, tuple(
        Mark(item.box_xyxy_px, color_of(index), f"{index + 1} {wording.in_words(item)}", str(index + 1))
        for index, item in enumerate(explanation) if item.box_xyxy_px is not None))


def color_of(number: int) -> RGB:
    """Of the item with this number, from 0; after the last colour the first follows."""
    return DISTINCT[number % len(DISTINCT)]


def numbered(explanation: Explanation, index: int, named: bool = True) -> str:
    """The title of an item, behind its number where it has a box; a whole answer is not repeated."""
    item = explanation[index]
    title = wording.title(item, explanation.asked, named and item.label != explanation.answer)
    return title if item.box_xyxy_px is None else f"{index + 1} {title}"


def is_same_for_all(explanation: Explanation) -> bool:
    """Whether several items have the same relevance of the same things, since the method does not know the target."""
    first, *others = explanation.items or (None,)
    return first is not None and bool(others) and bool(first.scores) and all(
        item.box_xyxy_px is None and item.span is None and item.elements == first.elements
        and item.scores.keys() == first.scores.keys()
        and all(np.array_equal(item.scores[stream], first.scores[stream]) for stream in item.scores)
        for item in others)


def chip(item: Item, index: int) -> RGB | None:
    return None if item.box_xyxy_px is None else color_of(index)


def all_elements(explanation: Explanation) -> list[Element]:
    """Those that all items share, then those of each."""
    streams = (explanation.elements, *(item.elements for item in explanation))
    return [one for elements in streams for blocks in elements.values() for one in blocks]


def frames(explanation: Explanation, picture: int) -> tuple[Mark, ...]:
    """A frame around what the model saw of a picture, where that is not nearly the whole of it."""
    boxes = [one.box_xyxy_px for one in all_elements(explanation)
             if isinstance(one, Patches) and one.picture == picture]
    if not boxes:
        return ()
    sides = np.array(boxes)
    left, top, right, bottom = *sides[:, :2].min(axis=0).tolist(), *sides[:, 2:].max(axis=0).tolist()
    width, height = explanation.pictures[picture].size
    is_cut = right - left < _NEARLY_ALL * width or bottom - top < _NEARLY_ALL * height
    return (Mark((left, top, right, bottom), GREY),) if is_cut else ()


def _plain(explanation: Explanation, marks: tuple[Mark, ...]) -> Panel:
    found = ", ".join(mark.tag for mark in marks if mark.tag)
    alts = [f"the picture alone{f': {found}' if found and not number else ''}"
            for number in range(len(explanation.pictures))]
    views = tuple(View(number, (), (*frames(explanation, number), *(() if number else marks)), alt)
                  for number, alt in enumerate(alts))
    return Panel("picture" if len(views) == 1 else "pictures", views)


def _views(explanation: Explanation, item: Item, blocks: Sequence[Block],
           look: Look) -> tuple[tuple[View, ...], tuple[Scale, ...]]:
    """A view for each stream and picture that it looks at; the plain picture where it looks at none."""
    alt = f"{explanation.asked.question or ''} {wording.title(item, explanation.asked)}".strip()
    box = () if item.box_xyxy_px is None else (Mark(item.box_xyxy_px, INK),)
    views, scales = [], []
    for kind, label, layers_of_group in ((Patches, "relevance", _maps), (Regions, "relevance of regions", _outlines)):
        for group in by_stream_of(blocks, kind):
            layers, whole = layers_of_group(group, explanation, look)
            for picture in dict.fromkeys(picture for picture, _ in layers):
                over = tuple(layer for place, layer in layers if place == picture and layer.shades.strengths.size)
                views.append(View(picture, over, (*frames(explanation, picture), *(() if picture else box)), alt))
            scales.append(Scale(label, whole))
    if not views and explanation.pictures:
        views = [View(0, (), (*frames(explanation, 0), *box), alt)]
    return tuple(views), tuple(scales)


def _maps(blocks: Sequence[Block], explanation: Explanation, look: Look) -> tuple[list[tuple[int, Map]], Shades]:
    """A map for each picture, by its place, and the shades of them all."""
    pictures = dict.fromkeys(block.element.picture for block in blocks if isinstance(block.element, Patches))
    grids = [grids_of(blocks, picture) for picture in pictures]
    whole, shades = _on_one_scale([together(several) for several in grids], explanation, look)
    scale = whole.largest if whole.strengths.any() else np.inf
    return [(picture, Map(shade, tuple((values / scale, box) for values, box in several), look.cells))
            for picture, several, shade in zip(pictures, grids, shades, strict=True)], whole


def _outlines(blocks: Sequence[Block], explanation: Explanation,
              look: Look) -> tuple[list[tuple[int, Outlines]], Shades]:
    """Outlines of each block, with its picture's place, and the shades of them all."""
    whole, shades = _on_one_scale([block.scores for block in blocks], explanation, look)
    return [(block.element.picture, Outlines(shade, block.element.regions))
            for block, shade in zip(blocks, shades, strict=True) if isinstance(block.element, Regions)], whole


def _texts(blocks: Sequence[Block], explanation: Explanation, look: Look) -> tuple[Text, ...]:
    texts = []
    for group in by_stream_of(blocks, Words):
        words = [tuple(wording.words_of(block)) for block in group]
        scores = [np.array([word.score for word in one]) for one in words]
        _, shades = _on_one_scale(scores, explanation, look)
        texts += [Text(one, shade, signed=explanation.signed)
                  for one, shade in zip(words, shades, strict=True) if one]
    return tuple(texts)


def _up_to_its_words(texts: tuple[Text, ...], explanation: Explanation, item: Item) -> tuple[Text, ...]:
    """The answer as far as it was written with the words that an item explains; of any other item all texts."""
    answer = explanation.answer
    place = max((place for place, text in enumerate(texts) if text.says(answer)), default=None)
    if item.span is None or place is None:
        return texts
    return (*texts[:place], texts[place].until(covered(texts[place].words, answer, item.span)), *texts[place + 1:])


def _on_one_scale(parts: Sequence[np.ndarray], explanation: Explanation, look: Look) -> tuple[Shades, list[Shades]]:
    """Shades of all parts together, and of each, scaled by the largest score of them all."""
    whole = shades_of(np.concatenate(parts), explanation.model.dtype, look, explanation.signed)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return whole, [replace(whole, strengths=part) for part in np.split(whole.strengths, ends)]
