"""`mmx methods`: what there is, and how lists look."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from mmx.cli.options import Debug, JsonFlag
from mmx.cli.output import print_json, print_result

if TYPE_CHECKING:
    from mmx.methods import Method


def methods(as_json: JsonFlag = False, debug: Debug = False) -> None:
    """List the explanation methods: what each needs, and where it comes from."""
    from mmx.methods import all_methods
    from mmx.schema import SCHEMA_VERSION

    found = all_methods()
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "methods": [
            {"name": method.name, "aliases": list(method.aliases), "needs": list(method.needs),
             "summary": method.summary, "source": method.source, "departs": method.departs or None,
             "differs_across_streams_from": method.differs_across_streams_from or None} for method in found]})
        return
    table = names_table("method", "needs", "what it is")
    for method in found:
        table.add_row(method.name, "\n".join(method.needs) or "nothing", _described(method))
        table.add_row()
    print_result(table)
    print_result(Text("LRP is reported to be patented for commercial use; the default method does not use it.", "dim"))


def names_table(names: str, *columns: str) -> Table:
    """Names are there to be typed: they are never cut."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(names, style="bold", no_wrap=True, overflow="fold")
    for column in columns:
        table.add_column(column)
    return table


def _described(method: "Method") -> Text:
    more = {"Source": method.source, "Also named": ", ".join(method.aliases), "Departs": method.departs,
            "Where no stream attends to another, the same as": method.differs_across_streams_from}
    lines = (f"\n{what}: {text}" for what, text in more.items() if text)
    return Text.assemble(method.summary, ("".join(lines), "dim"))
