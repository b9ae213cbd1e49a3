"""An answer that is read word by word, in HTML without a script.

Its words are radio buttons. What hangs on the chosen one is a rule of CSS: it sets variables, which the words' colours
are, and shows that word's maps. A map is a film over a pale picture that all of them share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from mmx.show.colors import RGB, text_color_on
from mmx.show.figure import Figure, Written
from mmx.show.flow import Word
from mmx.show.panels import Map, Panel, Text, View, strongest_words
from mmx.show.view import without_strengths
from mmx.show.wording import WHOLE_ANSWER

FAINT = 0.05  # of the largest score: a paler chip would be the brightest thing on a dark page


@dataclass(frozen=True)
class Tinted:
    """A word, the space before it, the CSS of its colours, and the row that it chooses, where it is a button."""

    space: str
    text: str
    style: str
    row: int | None = None


@dataclass(frozen=True)
class Film:
    """What lies over the picture of class `ground`, nothing if `url` is empty; a picture of its own if `ground` is."""

    ground: str
    url: str
    alt: str


@dataclass(frozen=True)
class Shown:
    """What a method shows of one row; `note` is what holds whatever the method is."""

    heading: str
    note: str
    films: tuple[Film, ...]
    caption: str


@dataclass(frozen=True)
class Column:
    """What a method shows of each row, and the texts that take the colours of the chosen one."""

    heading: str
    rows: tuple[Shown, ...]
    texts: tuple[tuple[Tinted, ...], ...]


@dataclass(frozen=True)
class Reading:
    """What a page has of it.

    Attributes:
        scope: the class of all that the rules are about.
        rules: CSS without any text of a picture, question or answer.
        question: its words, where one method gives them their colours.
        answer: its words; `more`: what else can be chosen, by its row; `first`: the row that is chosen at first.
    """

    scope: str
    rules: str
    question: tuple[Tinted, ...]
    answer: tuple[Tinted, ...]
    more: tuple[tuple[int, str], ...]
    first: int
    columns: tuple[Column, ...]


def reading_of(figure: Figure, written: Written, drawn: Callable[[View], str], film: Callable[[View], str],
               room: tuple[int, int]) -> Reading:
    """An answer whose words are the rows of a figure.

    Args:
        drawn: a view as a picture's URL; `film`: what lies over its picture alone.
        room: width and height that a picture may take on the page.
    """
    grounds = _Grounds(drawn, film, [picture.size for picture in figure.pictures], room)
    columns = tuple(_column(figure, place, written, grounds) for place in range(len(figure.columns)))
    scope, rules = _rules(figure, columns)
    texts = [*enumerate(figure.rows[0].panels[0].texts if len(columns) == 1 else ())]
    question = next((_tinted(text.words, 0, number) for number, text in texts if _is_question(text, figure)), ())
    own = next((number for number, text in texts if text.explained), None)
    alone = {places.start: row for row, places in reversed([*enumerate(written.places)]) if len(places) == 1}
    answer = tuple(replace(word, row=alone.get(place)) for place, word in enumerate(_tinted(written.words, 0, own)))
    more = tuple((row, _several(written, places)) for row, places in enumerate(written.places)
                 if alone.get(places.start) != row)
    first = next((word.row for word in answer if word.row is not None), 0)
    return Reading(scope, "\n".join([*grounds.rules, *rules]), question, answer, more, first, columns)


def _rules(figure: Figure, columns: tuple[Column, ...]) -> tuple[str, list[str]]:
    """The class of all that they are about, and what choosing each row does: colours, and what is shown."""
    colors = ["".join(f"{name}:{value};" for place, panel in enumerate(row.panels)
                      for number, text in enumerate(panel.texts)
                      for name, value in _variables(text, place, number).items()) for row in figure.rows]
    scope = f"mmx-{sha256(repr((columns, colors)).encode('utf-8', 'replace')).hexdigest()[:10]}"
    chosen = [f'.{scope}:has([value="{row}"]:checked)' for row in range(len(figure.rows))]
    return scope, [f"{one}{{{color}}}\n{one} .mmx-row-{row}{{display:block}}"
                   for row, (one, color) in enumerate(zip(chosen, colors, strict=True))]


def _column(figure: Figure, place: int, written: Written, grounds: "_Grounds") -> Column:
    panels, alone = [row.panels[place] for row in figure.rows], len(figure.columns) == 1
    rows = tuple(Shown(row.heading, row.plain.note if row.plain else "", tuple(map(grounds.film, panel.views)),
                       _caption(panel))
                 for row, panel in zip(figure.rows, panels, strict=True))
    texts = tuple(_tinted(written.words if text.explained else text.words, place, number)
                  for number, text in enumerate(panels[0].texts)
                  if not alone or not (text.explained or _is_question(text, figure)))
    return Column("" if alone else figure.columns[place], rows, texts)


class _Grounds:
    """Pictures that films lie on, each once, as rules of CSS."""

    def __init__(self, drawn: Callable[[View], str], film: Callable[[View], str],
                 sizes: Sequence[tuple[int, int]], room: tuple[int, int]) -> None:
        self._drawn, self._film, self._sizes, self._room = drawn, film, sizes, room
        self._names: dict[tuple[object, ...], str] = {}
        self.rules: list[str] = []

    def film(self, view: View) -> Film:
        if not all(isinstance(layer, Map) for layer in view.layers):
            return Film("", self._drawn(view), view.alt)
        return Film(self._ground(view), self._film(view) if view.layers else "", view.alt)

    def _ground(self, view: View) -> str:
        key = view.picture, view.marks, bool(view.layers)
        if key not in self._names:
            url = self._drawn(replace(view, layers=without_strengths(view.layers)))
            self._names[key] = name = f"mmx-{sha256(url.encode()).hexdigest()[:10]}"
            width, height = self._sizes[view.picture]
            widest = max(1, round(min(self._room[0], self._room[1] * width / height)))
            self.rules.append(f".{name}{{background-image:url({url});aspect-ratio:{width}/{height};"
                              f"max-width:{widest}px}}")
        return self._names[key]


def _is_question(text: Text, figure: Figure) -> bool:
    return not text.explained and text.says(figure.title)


def _variables(text: Text, column: int, number: int) -> Mapping[str, str]:
    """The colours of a text's words, but for faint ones, which have none."""
    found = {}
    for place, strength in enumerate(text.shades.strengths.tolist()):
        if abs(strength) >= FAINT:
            fill = text.shades.colors.on_white(strength)
            found |= {f"--b{column}-{number}-{place}": _hex(fill),
                      f"--c{column}-{number}-{place}": _hex(text_color_on(fill))}
    return found


def _tinted(words: Sequence[Word], column: int, number: int | None) -> tuple[Tinted, ...]:
    """Words in the colours of `_variables`; in none without a number."""
    def style(place: int) -> str:
        name = f"{column}-{number}-{place}"
        return "" if number is None else f"background:var(--b{name});color:var(--c{name})"

    return tuple(Tinted(" " if word.spaced and place else "", word.text, style(place))
                 for place, word in enumerate(words))


def _several(written: Written, places: range) -> str:
    if len(places) == len(written.words):
        return WHOLE_ANSWER
    return "".join(word.space + word.text for word in _tinted(written.words[places.start:places.stop], 0, None))


def _caption(panel: Panel) -> str:
    return " \u00b7 ".join(filter(None, [panel.below, strongest_words(panel.texts, with_scores=True)]))


def _hex(color: RGB) -> str:
    return f"#{bytes(color).hex()}"
