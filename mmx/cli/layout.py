"""How explanations look on a terminal: a block for one, a row each for many."""

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mmx.cli.maps import maps_in_short, print_maps
from mmx.cli.output import one_line, print_result, terminal_width
from mmx.cli.requests import Request
from mmx.cli.results import Files
from mmx.cli.wording import (
    answer_in_short,
    detections_in_short,
    in_words,
    plain,
    runners_up,
    top_regions,
    top_words,
)
from mmx.errors import shown_path
from mmx.render.detection_words import counted, surest_others
from mmx.render.legend import percent
from mmx.tasks.base import Result
from mmx.types import Detections, Explanation, Explanations

_WIDEST_NAME, _WIDEST_QUESTION, _ANSWER, _METHOD = 26, 30, 16, 23


def print_block(results: Sequence[Result], files: Sequence[Files], sheet: Path | None, page: Path | None) -> None:
    """What was asked about one picture, by one method or several."""
    first = results[0]
    if isinstance(first, Detections):
        _print_detections(first)
    elif isinstance(first, Explanations):
        print_maps([one for one in results if isinstance(one, Explanations)])
    else:
        _print_answer([one for one in results if isinstance(one, Explanation)])
    picture, report = files[0]
    if len(files) > 1:
        picture = picture.with_name(picture.name.removesuffix(f"{first.method}.png") + "*.png")
    print_result(Text.assemble(("  wrote    ", "dim"), f"{shown_path(picture)} and {report.suffix}"))
    for what, path in (("together", sheet), ("page", page)):
        if path is not None:
            print_result(Text.assemble((f"  {what:<8} ", "dim"), shown_path(path)))


def _print_answer(explanations: Sequence[Explanation]) -> None:
    first = explanations[0]
    print_result(Text.assemble(shown_path(first.picture.source), "  ", (one_line(first.question), "bold")))
    print_result(Padding.indent(_facts(first, alone=len(explanations) == 1), 2))
    if len(explanations) > 1:
        print_result(Padding.indent(_methods_table(explanations), 2))


def _print_detections(found: Detections) -> None:
    """The same by every method: what they tell apart is on pictures."""
    print_result(Text.assemble(shown_path(found.picture.source), "  ", (one_line(plain(counted(found))), "bold")))
    if not len(found):
        print_result(Padding.indent(Text(f"surest   {one_line(plain(surest_others(found)))}"), 2))
        return
    table = Table("query", "class", "score", "box in pixels", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for one in found:
        assert one.detection is not None
        box = ", ".join(f"{side:.0f}" for side in one.detection.box_xyxy_px)
        table.add_row(str(one.detection.query), Text(one_line(one.target.label), "bold"),
                      plain(percent(one.target.probability)), box)
    print_result(Padding.indent(table, 2))


def _facts(one: Explanation, alone: bool) -> Table:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", min_width=7)
    given, explained = one.predictions[0], one.target
    facts.add_row("answer", Text.assemble((in_words(given), "bold"), f"  {runners_up(one)}"))
    if explained.index != given.index:
        facts.add_row("explained", Text(in_words(explained), "bold"))
    if alone:
        facts.add_row("words", top_words(one))
        facts.add_row("regions", top_regions(one))
    return facts


def _methods_table(explanations: Sequence[Explanation]) -> Table:
    table = Table("method", "words", "regions", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for one in explanations:
        table.add_row(one.method, top_words(one, with_scores=False), top_regions(one, with_scores=False))
    return table


class Rows:
    """Columns that are known before the first row is: cut to fit a terminal, never cut in a pipe."""

    def __init__(self, requests: Sequence[Request], several_methods: bool) -> None:
        self._end = terminal_width()
        questions = {one_line(one.question or "") for one in requests}
        self._name = self._width([shown_path(one.image) for one in requests], _WIDEST_NAME)
        self._question = self._width(questions, _WIDEST_QUESTION) if len(questions) > 1 else 0
        self._method = _METHOD if several_methods else 0

    def print(self, results: Sequence[Result]) -> None:
        """A row for each method; one for all of them where they explain the same detections."""
        first = results[0]
        if isinstance(first, Detections):
            self._print([self._named(first)], plain(counted(first)), detections_in_short(first))
        if isinstance(first, Explanations):
            self._print([self._named(first)], *maps_in_short(first))
        for one in results:
            if isinstance(one, Explanation):
                columns = [self._named(one), _fitted(one_line(one.question), self._question),
                           _fitted(one.method, self._method)]
                told = f"{top_words(one, with_scores=False)}; {top_regions(one, with_scores=False)}"
                self._print([column for column in columns if column], answer_in_short(one), told)

    def _named(self, one: Result) -> str:
        return _fitted(shown_path(one.picture.source), self._name, keep_end=True)

    def _print(self, columns: Sequence[str], strong: str, more: str) -> None:
        row = Text("".join(f"{column}  " for column in columns))
        row.append(strong.ljust(_ANSWER), "bold")
        row.append(f"  {more}", "dim")
        row.truncate(self._end or cell_len(row.plain), overflow="ellipsis")
        print_result(row)

    def _width(self, texts: Sequence[str] | set[str], most: int) -> int:
        widest = max(map(cell_len, texts), default=0)
        return widest if self._end is None else min(widest, most)


def _fitted(text: str, width: int, keep_end: bool = False) -> str:
    """As wide as asked, whatever the script; of a path the end says most."""
    while keep_end and cell_len(text) > width:
        text = f"…{text.removeprefix('…')[1:]}"
    fitted = Text(text)
    fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted.plain
