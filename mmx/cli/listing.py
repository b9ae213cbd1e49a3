"""`mmx methods` and `mmx models`: what there is."""

from typing import Annotated

import typer
from rich.table import Table

from mmx.cli.output import print_json, stdout_console

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def methods(as_json: JsonFlag = False) -> None:
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
        departs = f"\n[dim]Departs: {method.departs}[/dim]" if method.departs else ""
        aliases = f"\n[dim]{', '.join(method.aliases)}[/dim]" if method.aliases else ""
        table.add_row(f"[bold]{method.name}[/bold]{aliases}", "\n".join(method.needs), method.summary + departs,
                      method.source)
    stdout_console().print(table)


def models(as_json: JsonFlag = False) -> None:
    """List the checkpoints: those that ship with mmx, then the usual ones on the hub."""
    from mmx.catalog import DEFAULT_MODEL, catalog, entries_as_dicts

    if as_json:
        print_json(entries_as_dicts())
        return
    table = Table("checkpoint", "family", "task", "knows", "where", box=None, padding=(0, 2, 0, 0),
                  header_style="bold")
    for entry in catalog():
        name = f"[bold]{entry.name}[/bold]" + (" (default)" if entry.name == DEFAULT_MODEL else "")
        table.add_row(name, entry.family, entry.task, entry.knows, "ships with mmx" if entry.shipped else "hub")
    stdout_console().print(table)
