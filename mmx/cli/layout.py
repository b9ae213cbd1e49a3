"""How explanations look on a terminal: a block for one, a row each for many."""

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mmx.cli.output import one_line, print_result, terminal_width
from mmx.cli.requests import Request
from mmx.cli.results import Files
from mmx.cli.wording import answer_in_short, in_words, runners_up, top_regions, top_words
from mmx.images import shown_path
from mmx.types import Explanation

_WIDEST_NAME, _WIDEST_QUESTION, _ANSWER, _METHOD = 26, 30, 16, 23


def print_block(explanations: Sequence[Explanation], files: Sequence[Files], sheet: Path | None) -> None:
    """One picture and question, by one method or several."""
    first = explanations[0]
    print_result(Text.assemble(shown_path(first.picture.source), "  ", (one_line(first.question), "bold")))
    print_result(Padding.indent(_facts(first, alone=len(explanations) == 1), 2))
    if len(explanations) > 1:
        print_result(Padding.indent(_methods_table(explanations), 2))
    picture, report = files[0]
    if len(files) > 1:
        picture = picture.with_name(picture.name.removesuffix(f"{first.method}.png") + "*.png")
    print_result(Text.assemble(("  wrote    ", "dim"), f"{shown_path(picture)} and {report.suffix}"))
    if sheet is not None:
        print_result(Text.assemble(("  together ", "dim"), shown_path(sheet)))


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
        questions = {one_line(one.question) for one in requests}
        self._name = self._width([shown_path(one.image) for one in requests], _WIDEST_NAME)
        self._question = self._width(questions, _WIDEST_QUESTION) if len(questions) > 1 else 0
        self._method = _METHOD if several_methods else 0

    def print(self, one: Explanation) -> None:
        columns = [_fitted(shown_path(one.picture.source), self._name, keep_end=True)]
        columns += [_fitted(one_line(one.question), self._question)] if self._question else []
        columns += [_fitted(one.method, self._method)] if self._method else []
        row = Text("".join(f"{column}  " for column in columns))
        answer = answer_in_short(one)
        row.append(answer.ljust(_ANSWER), "bold")
        row.append(f"  {top_words(one, with_scores=False)}; {top_regions(one, with_scores=False)}", "dim")
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
