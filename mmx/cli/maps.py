"""How classes and texts of a picture look on a terminal."""

from collections.abc import Sequence
from math import exp

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mmx.cli.output import one_line, print_result
from mmx.cli.wording import in_words, plain, top_words
from mmx.errors import shown_path
from mmx.render.legend import percent
from mmx.render.map_words import similarity
from mmx.types import Explanation, Explanations


def print_maps(results: Sequence[Explanations]) -> None:
    """By every method the same classes or texts, whose maps are on pictures."""
    first = results[0]
    best, count = first[0].predictions[0], len(first)
    told = in_words(best) if not first.of_texts else f"{count} text{'s' if count > 1 else ''}"
    print_result(Text.assemble(shown_path(first.picture.source), "  ", (one_line(plain(told)), "bold")))
    table = _texts(first, with_words=len(results) == 1) if first.of_texts else _classes(first)
    print_result(Padding.indent(table, 2))


def maps_in_short(found: Explanations) -> tuple[str, str]:
    """The best class or text, and the others that are explained."""
    if not found.of_texts:
        best = found[0].predictions[0]
        others = [one.target for one in found if one.target.index != best.index]
        return in_words(best), ("explained: " + ", ".join(map(in_words, others)) if others else "")
    if len(found) == 1:
        return plain(f"similarity {similarity(found[0])}"), top_words(found[0], with_scores=False)
    return in_words(found[0].predictions[0]), ", ".join(plain(f"{one.question} {similarity(one)}") for one in found)


def print_shares(found: Sequence[Explanations]) -> None:
    """Of one text about several pictures: how a softmax over the pictures shares it out, the best first."""
    logits = [(one[0].match.logit, shown_path(one.picture.source)) for one in found if one[0].match is not None]
    highest = max(logits)[0]
    whole = sum(exp(logit - highest) for logit, _ in logits)
    table = _table("softmax over the pictures", "")
    for logit, name in sorted(logits, reverse=True):
        table.add_row(plain(percent(exp(logit - highest) / whole)), name)
    print_result(table)


def _classes(found: Explanations) -> Table:
    """The most probable classes, and those that are explained and not among them."""
    explained = {one.target.index: one.target for one in found}
    shown = {one.index: one for one in found[0].predictions} | explained
    table = _table("class", "index", "share", "")
    for one in shown.values():
        table.add_row(Text(one_line(one.label), "bold" if one.index in explained else ""), str(one.index),
                      plain(percent(one.probability)), "explained" if one.index in explained else "")
    return table


def _texts(found: Explanations, with_words: bool) -> Table:
    several = len(found) > 1
    table = _table("text", "similarity", *(["softmax"] if several else []), *(["words"] if with_words else []))
    for one in found:
        table.add_row(*_row(one, several, with_words))
    return table


def _row(one: Explanation, several: bool, with_words: bool) -> list[Text | str]:
    share = [plain(percent(one.target.probability))] if several else []
    return [Text(one_line(one.question), "bold"), plain(similarity(one)), *share,
            *([top_words(one)] if with_words else [])]


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")
