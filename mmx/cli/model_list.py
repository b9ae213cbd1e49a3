"""The list of `mmx models`: the classes that mmx explains, by what they can be asked, and their checkpoints."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text

from mmx.checkpoints.catalog import CatalogEntry, ClassEntry, catalog, classes, defaults
from mmx.checkpoints.hub import cached_folder
from mmx.cli.fields import option_of
from mmx.cli.listing import names_table
from mmx.cli.output import print_result, terminal_width

_INDENT, _NONE = "    ", "no checkpoint by name"


def print_list() -> None:
    """Names are there to be typed: one that is too long for its column has a line of its own."""
    entries = catalog()
    told = _columns(entries, terminal_width())
    groups: list[list[Text]] = []
    for (does, how), several in groupby(classes(), key=lambda one: (one.does, _how(one))):
        groups.append([Text.assemble((does, "bold"), (f": {how}", "dim"))])
        for one in several:
            about = [", ".join(dict.fromkeys(one.covers.values())), *([] if one.checkpoints else [_NONE])]
            groups[-1] += [Text.assemble(f"  {one.name}", (f": {'; '.join(about)}", "dim")),
                           *(told[name] for name in one.checkpoints)]
    for does, several in groupby((one for one in entries if one.architecture is None), key=lambda one: one.does):
        groups.append([Text(does, "bold"), *(told[one.name] for one in several)])
    print_result(Text("\n\n").join(Text("\n").join(group) for group in groups))
    print_result(_notes(entries))


def listed() -> dict[str, Any]:
    """The same as JSON."""
    return {
        "models": [
            {"name": one.name, "family": one.family, "architecture": one.architecture, "does": one.does,
             "knows": one.knows, "size_mb": one.size_mb, "licence": one.licence, "needs": list(one.needs),
             "where": _place(one)}
            for one in catalog()],
        "classes": [
            {"name": one.name, "family": one.family, "does": one.does, "must_give": _options(one.must),
             "may_give": _options(one.may), "covers": dict(one.covers), "checkpoints": list(one.checkpoints)}
            for one in classes()]}


def _options(fields: Sequence[str]) -> list[str]:
    return [option_of(field).removeprefix("--") for field in fields]


def _how(one: ClassEntry) -> str:
    must = "".join(f" {option_of(field)} TEXT" for field in one.must)
    return f"mmx explain PICTURE{must}; also {', '.join(map(option_of, one.may))}"


def _place(entry: CatalogEntry) -> str:
    return "shipped" if entry.shipped else "cached" if cached_folder(entry.name) else "hub"


def _columns(entries: Sequence[CatalogEntry], width: int | None) -> Mapping[str, Text]:
    """By name: the name, and what is told of it; names have as much room as lets most stand in one line with it."""
    sizes, places = ([f"{one.size_mb:g} MB" for one in entries], [_place(one) for one in entries])
    size, place = (max(map(len, column)) for column in (sizes, places))
    told = [f"  {one:>{size}}  {where:{place}}  {entry.licence}"
            for entry, one, where in zip(entries, sizes, places, strict=True)]

    def broken(room: int) -> list[bool]:
        return [len(entry.name) > room or (width is not None and len(_INDENT) + room + len(rest) > width)
                for entry, rest in zip(entries, told, strict=True)]

    room = min(sorted({0, *(len(entry.name) for entry in entries)}), key=lambda room: sum(broken(room)))
    found = dict[str, Text]()
    for entry, rest, breaks in zip(entries, told, broken(room), strict=True):
        left = room if width is None else max(0, min(room, width - len(_INDENT) - len(rest)))
        name = f"{entry.name}\n{_INDENT}{'':{left}}" if breaks else f"{entry.name:{room}}"
        found[entry.name] = Text(f"{_INDENT}{name}{rest}")
    return found


def _notes(entries: Sequence[CatalogEntry]) -> Table:
    needs: dict[str, list[str]] = {}
    for entry in entries:
        for need in entry.needs:
            needs.setdefault(need, []).append(entry.name)
    names = [entry.name for entry in entries]
    told = {
        "default": "; ".join(f"{one.name} for {one.what}" for one in defaults() if one.name in names),
        "needed": "; ".join(f"{need} by {' and '.join(by)}" for need, by in needs.items()),
        "licence": "(code): of its authors' code, where none is given with the weights",
        "hub": "fetched when first used, or by 'mmx models pull NAME'; any other checkpoint of these classes works "
               "too, by hub id or folder, --model NAME: try 'mmx models check NAME'",
    }
    table = names_table("", "")
    for what, text in told.items():
        table.add_row(Text(what, "not bold"), Text(text, "dim"))
    return table
