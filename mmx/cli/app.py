"""The `mmx` command: its subcommands, and the one place where errors become lines and exit codes."""

import sys
import warnings
from typing import Annotated

import typer

from mmx import __version__
from mmx.cli.explain import explain
from mmx.cli.listing import methods, models
from mmx.cli.output import debug_wanted, prepare_streams, print_error
from mmx.errors import MmxError, UsageError

INTERRUPTED = 130

app = typer.Typer(name="mmx", add_completion=True, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]})
app.command(no_args_is_help=False)(explain)
app.command()(methods)
app.command()(models)


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
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Exit codes: 0 all done, 1 something failed, 2 it was asked for wrongly, 130 interrupted."""
    prepare_streams()
    if not (sys.warnoptions or debug_wanted()):
        warnings.simplefilter("ignore")
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, EOFError):
        code = INTERRUPTED
    except Exception as error:
        code = _report(error)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: Exception) -> int:
    """Says in one line what went wrong, and gives the exit code for it."""
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return 0
    told = _as_told(error)
    print_error(told, error)
    return told.exit_code


def _as_told(error: Exception) -> MmxError:
    if isinstance(error, MmxError):
        return error
    describe = getattr(error, "format_message", None)  # Typer's own complaints about how it was called
    if describe is None:
        return MmxError.of_fault(error)
    command = getattr(getattr(error, "ctx", None), "command_path", "mmx")
    return UsageError(f"{describe().rstrip('.')}.", f"See '{command} --help'.")
