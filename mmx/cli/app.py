"""The `mmx` command: its subcommands, and the one place where errors become lines and exit codes."""

import sys
import warnings
from typing import Annotated

import typer

from mmx.cli.compare import compare
from mmx.cli.demo import demo
from mmx.cli.draw import draw
from mmx.cli.errors import as_told, misused_command, stopped
from mmx.cli.explain import explain
from mmx.cli.listing import methods
from mmx.cli.models import models_app
from mmx.cli.options import Command, Group, help_if_alone
from mmx.cli.output import debug_wanted, json_wanted, prepare_streams, print_error, print_json
from mmx.cli.perturb import perturb
from mmx.cli.segment import segment
from mmx.cli.shapes import shapes_app
from mmx.schema import SCHEMA_VERSION
from mmx.version import __version__

INTERRUPTED = 130

app = typer.Typer(name="mmx", cls=Group, add_completion=True, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]})
app.command(cls=Command)(explain)
app.command(cls=Command)(draw)
app.command(cls=Command)(demo)
app.command(cls=Command)(methods)
app.command(cls=Command)(perturb)
app.command(cls=Command)(compare)
app.command(cls=Command)(segment)
app.add_typer(models_app, name="models")
app.add_typer(shapes_app, name="shapes")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mmx {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                          help="Print the version and exit.")] = False,
) -> None:
    """Why did this vision-language transformer answer that? Shows the words and regions that made it."""
    help_if_alone(context)


def main() -> None:
    """Exit codes: 0 all done, 1 something failed, 2 it was asked for wrongly, 130 interrupted."""
    prepare_streams()
    if not (sys.warnoptions or debug_wanted()):
        warnings.simplefilter("ignore")
    try:
        code = app(prog_name="mmx", standalone_mode=False)
    except KeyboardInterrupt as error:
        code = _report(stopped(error))
    except EOFError:
        code = INTERRUPTED
    except Exception as error:
        code = _report(error)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: Exception) -> int:
    """Says in one line what went wrong, and gives the exit code for it."""
    if type(error).__name__ == "Abort":  # what Typer makes of Ctrl-C between commands
        error = stopped(KeyboardInterrupt())
    if isinstance(error, BrokenPipeError):
        return 0
    told = as_told(error)
    if json_wanted():
        print_json({"schema_version": SCHEMA_VERSION, **_nothing_of(misused_command(error)),
                    "failures": [{"image": None, "question": None, "error": str(told)}]})
    print_error(told, error)
    return told.exit_code


def _nothing_of(command: str | None) -> dict[str, list]:
    """What the document of a command has beside failures."""
    return {"explanations": [], "skipped": []} if command == "mmx explain" else {}
