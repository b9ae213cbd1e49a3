"""The `mmx` command: its subcommands, and the one place where errors become lines and exit codes."""

import os
import sys
from typing import Annotated

import typer

from mmx import __version__
from mmx.cli.explain import explain
from mmx.cli.listing import methods, models
from mmx.cli.output import print_error
from mmx.cli.shapes import shapes_app
from mmx.errors import MmxError

app = typer.Typer(name="mmx", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]},
                  help="Why did this vision-language transformer answer that?")
app.command()(explain)
app.command()(methods)
app.command()(models)
app.add_typer(shapes_app, name="shapes")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mmx {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                          help="Print the version and exit.")] = False,
) -> None:
    """Explains the answers of vision-language transformers with attention relevance."""


def main() -> None:
    """Exit codes: 0 all done, 1 something failed, 2 it was asked for wrongly, 130 interrupted."""
    debug = "--debug" in sys.argv[1:] or bool(os.environ.get("MMX_DEBUG"))
    try:
        code = app(standalone_mode=False)
    except MmxError as error:
        if debug:
            raise
        print_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, EOFError):
        code = 130
    except BrokenPipeError:
        # The reader of a pipe went away (`mmx ... | head`); Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _exit_code_of(error, debug)
    sys.exit(code if isinstance(code, int) else 0)


def _exit_code_of(error: Exception, debug: bool) -> int:
    describe = getattr(error, "format_message", None)  # Typer's own complaints about how it was called
    if describe is not None:
        print_error(MmxError(describe().rstrip("."), "See 'mmx --help'."))
        return 2
    if type(error).__name__ == "Abort":
        return 130
    if debug:
        raise error
    print_error(MmxError(f"{type(error).__name__}: {error}.", "This is a fault of mmx; --debug shows where it is."))
    return 1
