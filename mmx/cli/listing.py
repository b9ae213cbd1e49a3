"""`mmx methods` and `mmx models`: what there is."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mmx.cli.options import Debug
from mmx.cli.output import print_json, print_result

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def methods(as_json: JsonFlag = False, debug: Debug = False) -> None:
    """List the explanation methods: what each needs, and where it comes from."""
    from mmx.methods import all_methods

    found = all_methods()
    if as_json:
        print_json([{"name": method.name, "aliases": list(method.aliases), "needs": list(method.needs),
                     "summary": method.summary, "source": method.source, "departs": method.departs}
                    for method in found])
        return
    table = Table("method", "needs", "what it is", "source", box=None, padding=(0, 2, 1, 0), header_style="bold")
    for method in found:
        name = Text.assemble((method.name, "bold"), *(("\n" + alias, "dim") for alias in method.aliases))
        departs = f"\nDeparts: {method.departs}" if method.departs else ""
        table.add_row(name, "\n".join(method.needs), Text.assemble(method.summary, (departs, "dim")), method.source)
    print_result(table)


def models(as_json: JsonFlag = False, debug: Debug = False) -> None:
    """List the checkpoints: those that ship with mmx, then the usual ones on the hub."""
    from mmx.catalog import DEFAULT_MODEL, catalog, entries_as_dicts

    if as_json:
        print_json(entries_as_dicts())
        return
    table = Table("checkpoint", "family", "task", "knows", "where", box=None, padding=(0, 2, 0, 0),
                  header_style="bold")
    for entry in catalog():
        name = Text.assemble((entry.name, "bold"), " (default)" if entry.name == DEFAULT_MODEL else "")
        table.add_row(name, entry.family, entry.task, entry.knows, "ships with mmx" if entry.shipped else "hub")
    print_result(table)
