"""`mmx methods`: what there is, and how lists look."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from mmx.cli.options import Debug, JsonFlag
from mmx.cli.output import print_json, print_result

if TYPE_CHECKING:
    from mmx.methods import Method


def methods(as_json: JsonFlag = False, debug: Debug = False) -> None:
    """List the explanation methods by what they need: what each costs, and where it comes from."""
    from mmx.methods import GROUPS, KINDS, all_methods, defined_on
    from mmx.schema import SCHEMA_VERSION

    found = all_methods()
    stand_for = {name: [method.name for method in found if is_in(method)] for name, is_in in GROUPS.items()}
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "methods": [
            {"name": method.name, "aliases": list(method.aliases), "needs": list(method.needs), "group": method.kind,
             "named_by": [name for name, several in stand_for.items() if method.name in several],
             "signed": method.signed, "floors": method.floors, "classes": defined_on(method.name),
             "summary": method.summary, "source": method.source, "departs": method.departs or None,
             "differs_across_streams_from": method.differs_across_streams_from or None} for method in found]})
        return
    table = names_table("method", "floors", "what it is")
    for kind in KINDS:
        own = [method for method in found if method.kind == kind]
        if own:
            table.add_row(Text(f"Needs {kind}", "bold underline"))
        for method in own:
            table.add_row(method.name, "-" if method.floors is None else f"{method.floors:.2g}", _described(method))
        if own:
            table.add_row()
    print_result(table)
    print_result(Text("floors: how long it takes alone, by the time of one forward and one backward of the bare model "
                      "(ViT-B/16); those that share passes take hardly more together.", "dim"))
    for name, several in stand_for.items():
        print_result(Text(f"-m {name}: {', '.join(several) if len(several) < len(found) else 'all of them'}", "dim"))
    print_result(Text("LRP is reported to be patented for commercial use; the default method does not use it.", "dim"))


def names_table(names: str, *columns: str) -> Table:
    """Names are there to be typed: they are never cut."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(names, style="bold", no_wrap=True, overflow="fold")
    for column in columns:
        table.add_column(column)
    return table


def _described(method: "Method") -> Text:
    more = {"Reads": ", ".join(method.needs), "Source": method.source,
            "Also named": ", ".join(method.aliases), "Departs": method.departs,
            "Where no stream attends to another, the same as": method.differs_across_streams_from,
            "Signed": "below zero is evidence against" if method.signed else ""}
    lines = (f"\n{what}: {text}" for what, text in more.items() if text)
    return Text.assemble(method.summary, ("".join(lines), "dim"))
