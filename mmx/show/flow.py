"""Words are set into lines, as many as it takes; what would fill pages is said to go on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mmx.show.lettering import Style, text_width
from mmx.show.text import clean, clusters, has_digits, is_right_to_left

_MOST_LINES = 100
_LONGEST_WORD = 1000


@dataclass(frozen=True)
class Word:
    """Something that is drawn in one piece; `spaced` says whether white space stands before it."""

    text: str
    spaced: bool = True
    score: float = 0.0


@dataclass(frozen=True)
class Placed:
    """A word and where its line begins it."""

    x: int
    width: int
    word: Word


def words_in(text: str) -> list[Word]:
    """Plain words of a text."""
    return [Word(word) for word in clean(text).split(" ") if word]


def broken_into_lines(words: Sequence[Word], style: Style, width: int, padding: int = 0) -> list[list[Word]]:
    """Breaks at white space; a group of words without any that is wider than a line is broken where it must.

    `padding` is kept free on both sides of every word.
    """
    room, space = max(width, 1), text_width(" ", style)
    lines: list[list[Word]] = []
    used = room + 1
    for group in _unspaced_groups(words):
        pieces = [piece for word in group for piece in _pieces(word, style, room - 2 * padding)]
        widths = [text_width(piece.text, style) + 2 * padding for piece in pieces]
        if used + space + sum(widths) > room:
            used = room + 1
        for piece, piece_width in zip(pieces, widths, strict=True):
            gap = space if piece.spaced and used <= room else 0
            if used + gap + piece_width > room:
                lines.append([])
                used = gap = 0
            lines[-1].append(piece)
            used += gap + piece_width
        if len(lines) > _MOST_LINES:
            return [*lines[:_MOST_LINES], [Word("\u2026")]]
    return lines


def placed_line(line: Sequence[Word], style: Style, width: int, padding: int, right_aligned: bool) -> list[Placed]:
    """Positions of one line's words, from left to right as they are seen."""
    space, x, order = text_width(" ", style), 0, _visual_order(line, right_aligned)
    placed: list[Placed] = []
    for before, index in zip([None, *order], order, strict=False):
        if before is not None and line[max(before, index)].spaced:
            x += space
        word_width = text_width(line[index].text, style) + 2 * padding
        placed.append(Placed(x, word_width, line[index]))
        x += word_width
    shift = max(0, width - x) if right_aligned else 0
    return [replace(word, x=word.x + shift) for word in placed]


def reads_from_the_right(words: Iterable[Word]) -> bool:
    """Whether the first word with a direction is of a right-to-left script."""
    return next((found for word in words if (found := is_right_to_left(word.text)) is not None), False)


def _unspaced_groups(words: Sequence[Word]) -> list[list[Word]]:
    groups: list[list[Word]] = []
    for word in words:
        if word.spaced or not groups:
            groups.append([])
        groups[-1].append(word)
    return groups


def _pieces(word: Word, style: Style, room: int) -> list[Word]:
    if text_width(word.text[:_LONGEST_WORD], style) <= room:
        return [word]
    pieces, used = [""], 0
    for cluster in clusters(word.text):
        width = text_width(cluster, style)
        if pieces[-1] and used + width > room:
            pieces.append("")
            used = 0
        pieces[-1] += cluster
        used += width
    return [replace(word, text=piece, spaced=word.spaced and not number) for number, piece in enumerate(pieces)]


def directions(line: Sequence[Word], base_is_right_to_left: bool) -> list[bool]:
    """Of each word, whether it goes with what is read from the right.

    What has no direction goes with the word that it hangs on, or with the base direction if it stands free; numbers
    go on with left-to-right words.
    """
    found: list[bool] = []
    direction = base_is_right_to_left
    for word in line:
        own = is_right_to_left(word.text)
        if own is not None:
            direction = own
        elif word.spaced and (direction or not has_digits(word.text)):
            direction = base_is_right_to_left
        found.append(direction)
    return found


def _visual_order(line: Sequence[Word], base_is_right_to_left: bool) -> list[int]:
    """Indices from left to right: words of one direction keep together."""
    runs: list[tuple[bool, list[int]]] = []
    for index, direction in enumerate(directions(line, base_is_right_to_left)):
        if not runs or runs[-1][0] != direction:
            runs.append((direction, []))
        runs[-1][1].append(index)
    ordered = reversed(runs) if base_is_right_to_left else runs
    return [index for from_right, run in ordered for index in (reversed(run) if from_right else run)]
