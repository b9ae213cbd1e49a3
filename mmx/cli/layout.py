"""How explanations look on a terminal: a block for one picture, a row each for many."""

from collections.abc import Collection, Sequence
from math import exp
from pathlib import Path

from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mmx.cli.output import one_line, print_result, terminal_width
from mmx.cli.requests import Request
from mmx.cli.results import Files
from mmx.errors import shown_path
from mmx.results import Explanation, Item, Unit
from mmx.show import wording
from mmx.show.wording import plain

_MOST_ENDINGS = 6
_WIDEST_NAME, _WIDEST_QUESTION, _ANSWER, _METHOD = 26, 30, 16, 23


def print_block(results: Sequence[Explanation], files: Sequence[Files], sheet: Path | None, page: Path | None) -> None:
    """What was asked about one picture, by one method or several."""
    first = results[0]
    title, body = _body(results)
    print_result(Text.assemble(shown_path(first.picture.source), "  ", (one_line(plain(title)), "bold")))
    for table in body:
        print_result(Padding.indent(table, 2))
    *pictures, report = files[0]
    method = "*" if len(files) > 1 else first.method
    name = report.with_name(f"{report.name.removesuffix(f'{first.method}.json')}{method}")
    endings = list(dict.fromkeys(path.name.removeprefix(report.stem) for path in pictures))
    shown = endings if len(pictures) <= _MOST_ENDINGS else [endings[0], "\u2026", endings[-1]]
    print_result(Text.assemble(("  wrote    ", "dim"), f"{shown_path(name)}{', '.join(shown)}{' and ' * bool(shown)}"
                               f"{report.suffix}"))
    for what, path in (("together", sheet), ("page", page)):
        if path is not None:
            print_result(Text.assemble((f"  {what:<8} ", "dim"), shown_path(path)))


def _body(results: Sequence[Explanation]) -> tuple[str, list[Table | Text]]:
    """What stands over a block, and what is told below it: by what was asked."""
    first, alone = results[0], len(results) == 1
    asked = first.asked
    if first.answer and len(first) > 1:
        return asked.question or "", [_answer(first), _words(results)]
    if asked.question is not None:
        return asked.question, [_facts(first, alone), *([] if alone else [_methods(results)])]
    if asked.threshold is not None or asked.queries:
        others = Text(f"surest   {one_line(plain(wording.surest_others(first)))}")
        return wording.counted(first), [_detections(first, alone) if len(first) else others]
    if asked.texts:
        return wording.counted(first), [_texts(first, alone)]
    return wording.in_words(first.predictions[0]), [_classes(first, alone)]


def _answer(one: Explanation, beside: str = "") -> Table:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", min_width=7)
    told = wording.runners_up(one) or beside
    facts.add_row("answer", Text.assemble((one_line(plain(wording.in_words(one.predictions[0]))), "bold"),
                                          f"  {plain(told)}"))
    return facts


def _facts(one: Explanation, alone: bool) -> Table:
    given = one.predictions[0]
    same = len(one) == 1 and one[0].index == given.index
    facts = _answer(one, wording.need_of_picture(one[0]) if same else "")
    for item in one:
        if not same:
            facts.add_row("explained", Text.assemble((plain(wording.in_words(item)), "bold"),
                                                     f"  {plain(wording.need_of_picture(item))}"))
        for what, told in _strongest(one, item).items() if alone else ():
            facts.add_row(what, told)
        if alone and (sinks := _on_sinks(one, item)):
            facts.add_row("sinks", ", ".join(f"{what} {told}" for what, told in sinks.items()))
    return facts


def _on_sinks(one: Explanation, item: Item) -> dict[str, str]:
    return {what: plain(share) for what, share in wording.on_sinks(one, item).items()}


def _strongest(one: Explanation, item: Item, with_scores: bool = True) -> dict[str, str]:
    """The most relevant words, regions and patch, of those that there are."""
    found = {"words": wording.top_words(one, item, with_scores), "regions": wording.top_regions(one, item, with_scores),
             "patches": wording.top_patch(one, item)}
    return {what: plain(told) for what, told in found.items() if told}


def _words(results: Sequence[Explanation]) -> Table:
    """Words of an answer that was written, each by every method."""
    first, several = results[0], len(results) > 1
    found = [(item, one.method, {**_strongest(one, one[place], with_scores=False), **_on_sinks(one, one[place])})
             for place, item in enumerate(first) for one in results]
    columns = list(dict.fromkeys(what for *_, told in found for what in told))
    table = _table("word", first[0].unit, "without the picture", *(["method"] if several else []), *columns)
    for item, method, told in found:
        table.add_row(Text(one_line(wording.called(item, first)), "bold"), _score(item, item.unit),
                      plain(wording.nats_without_picture(item)), *([method] if several else []),
                      *(told.get(what, "") for what in columns))
    return table


def _methods(results: Sequence[Explanation]) -> Table:
    found = [[(one.method, {**_strongest(one, item, with_scores=False), **_on_sinks(one, item)}) for item in one]
             for one in results]
    columns = list(dict.fromkeys(what for rows in found for _, told in rows for what in told))
    table = _table("method", *columns)
    for method, told in (row for rows in found for row in rows):
        table.add_row(method, *(told.get(what, "") for what in columns))
    return table


def _detections(found: Explanation, alone: bool) -> Table:
    """The same by every method, but for words and sinks: what they tell apart is on pictures."""
    with_words, sinks = alone and bool(found.asked.texts), _sinks(found, alone)
    table = _table("query", "text" if found.asked.texts else "class", "score", "box in pixels", *sinks,
                   *(["words"] if with_words else []))
    for item in found:
        box = ", ".join(f"{side:.0f}" for side in item.box_xyxy_px or ())
        table.add_row(str(item.query), Text(one_line(item.label), "bold"), _score(item, item.unit), box,
                      *_shares(found, item, sinks), *([plain(wording.top_words(found, item))] if with_words else []))
    return table


def _sinks(found: Explanation, alone: bool) -> list[str]:
    """The sinks that a method's items have."""
    return list(dict.fromkeys(what for item in found for what in _on_sinks(found, item))) if alone else []


def _shares(found: Explanation, item: Item, sinks: Sequence[str]) -> list[str]:
    shares = _on_sinks(found, item)
    return [shares.get(what, "") for what in sinks]


def _classes(found: Explanation, alone: bool) -> Table:
    """The most probable classes, and those that are explained and not among them."""
    explained, sinks = {item.index: item for item in found}, _sinks(found, alone)
    table = _table("class", "index", found.predictions[0].unit, "", *sinks)
    for one in ({one.index: one for one in found.predictions}
                | {index: item.prediction for index, item in explained.items()}).values():
        told, item = plain(wording.score_in_words(one.score, one.unit)), explained.get(one.index)
        table.add_row(Text(one_line(one.label), "bold" if item else ""), str(one.index), told,
                      "explained" if item else "", *(_shares(found, item, sinks) if item else ()))
    return table


def _texts(found: Explanation, alone: bool) -> Table:
    units, sinks = _units(found), _sinks(found, alone)
    table = _table("text", *units, *sinks, *(["words"] if alone else []))
    for item in found:
        table.add_row(Text(one_line(item.label), "bold"), *(_score(item, unit) for unit in units),
                      *_shares(found, item, sinks), *([plain(wording.top_words(found, item))] if alone else []))
    return table


def _units(found: Explanation) -> list[Unit]:
    """What is told of each text: its own unit, and the others that say something to a reader."""
    several = len(found.asked.texts) > 1
    also: list[Unit] = [unit for unit in found[0].also if unit != "logit" and (unit != "softmax" or several)]
    return [found[0].unit, *also]


def _score(item: Item, unit: Unit) -> str:
    value = item.score if unit == item.unit else item.also[unit]
    told = wording.score_in_words(value, "value" if unit == "logit" else unit)  # the column says that it is one
    return plain(wording.two_decimals(value) if unit == "similarity" else told)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")


def print_shares(logits: Sequence[tuple[float, str]]) -> None:
    """Of one text about several pictures, by logit and name: how a softmax over them shares it out, the best first."""
    highest = max(logits)[0]
    whole = sum(exp(logit - highest) for logit, _ in logits)
    table = _table("softmax over the pictures", "")
    for logit, name in sorted(logits, reverse=True):
        table.add_row(plain(wording.percent(exp(logit - highest) / whole)), name)
    print_result(table)


def _in_short(one: Explanation) -> tuple[str, str]:
    """What is told first in a row, and what beside it."""
    asked = one.asked
    if one.answer and len(one) > 1:
        return wording.in_words(one.predictions[0]), wording.counted(one)
    if asked.question is not None:
        return wording.answer_in_short(one), "; ".join(_strongest(one, one[0], with_scores=False).values())
    if asked.threshold is not None or asked.queries:
        return wording.counted(one), ", ".join(map(wording.in_words, one)) or f"surest: {wording.surest_others(one)}"
    if asked.texts and len(one) == 1:
        return wording.score_in_words(one[0].score, one[0].unit), wording.top_words(one, one[0], with_scores=False)
    best = one.predictions[0]
    if asked.texts:
        return wording.in_words(best), ", ".join(f"{item.label} {_score(item, item.unit)}" for item in one)
    others = [item for item in one if item.index != best.index]
    return wording.in_words(best), f"explained: {', '.join(map(wording.in_words, others))}" if others else ""


class Rows:
    """Columns that are known before the first row is: cut to fit a terminal, never cut in a pipe."""

    def __init__(self, requests: Sequence[Request], methods: Sequence[str]) -> None:
        self._end = terminal_width()
        questions = {one_line(one.question or "") for one in requests}
        self._name = self._width([shown_path(one.image) for one in requests], _WIDEST_NAME)
        self._question = self._width(questions, _WIDEST_QUESTION) if len(questions) > 1 else 0
        self._method = self._width(methods, _METHOD) if len(methods) > 1 else 0

    def print(self, results: Sequence[Explanation]) -> None:
        """A row for each method; one for all of them where they tell apart nothing that a row has room for."""
        alike = results[0].asked.question is None
        for one in results[:1] if alike else results:
            strong, more = map(plain, _in_short(one))
            told = [(shown_path(one.picture.source), self._name, True)]
            if not alike:
                told += [(one_line(one.asked.question or ""), self._question, False), (one.method, self._method, False)]
            self._print([_fitted(text, width, keep_end) for text, width, keep_end in told if width], strong, more)

    def _print(self, columns: Sequence[str], strong: str, more: str) -> None:
        row = Text("".join(f"{column}  " for column in columns))
        row.append(strong + " " * (_ANSWER - cell_len(strong)), "bold")
        row.append(f"  {more}", "dim")
        row.truncate(self._end or cell_len(row.plain), overflow="ellipsis")
        print_result(row)

    def _width(self, texts: Collection[str], most: int) -> int:
        widest = max(map(cell_len, texts), default=0)
        return widest if self._end is None else min(widest, most)


def _fitted(text: str, width: int, keep_end: bool = False) -> str:
    """As wide as asked, whatever the script; of a path the end says most."""
    while keep_end and cell_len(text) > width:
        text = f"…{text.removeprefix('…')[1:]}"
    fitted = Text(text)
    fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted.plain
