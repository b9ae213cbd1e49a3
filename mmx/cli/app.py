"""The `mmx` command: its subcommands, and the one place where errors become lines and exit codes."""

import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import typer

from mmx.cli.commands import Root, help_if_alone
from mmx.cli.errors import as_told, misused_command, stopped
from mmx.cli.output import (
    debug_wanted,
    json_wanted,
    prepare_streams,
    print_error,
    print_json,
    print_note,
    quiet_wanted,
)
from mmx.errors import Notice
from mmx.schema import SCHEMA_VERSION
from mmx.version import __version__

INTERRUPTED = 130



class Commands(Root):
    """Where each is, and the first paragraph of what it says of itself."""

    lazy: ClassVar = {
        "explain": ("mmx.cli.explain:explain", "Explain the answer to a question about a picture, what a model sees or "
                    "finds in it, or how texts match it."),
        "draw": ("mmx.cli.draw:draw", "Draw explanations again from their JSON files, without the model."),
        "demo": ("mmx.cli.demo:demo", "Open a page on which anyone can ask, and see why: pictures, questions, texts, "
                 "classes and objects."),
        "methods": ("mmx.cli.listing:methods", "List the explanation methods by what they need: what each costs, and "
                    "where it comes from."),
        "perturb": ("mmx.cli.perturb:perturb", "Follow a model's accuracy as words, regions or patches are removed in "
                    "the order of their relevance."),
        "compare": ("mmx.cli.compare:compare", "Put finished runs of 'mmx perturb' into one table and one figure."),
        "segment": ("mmx.cli.segment:segment", "Score relevance against COCO annotations: where does a method point?"),
        "models": ("mmx.cli.models:models_app", "List what mmx explains and the checkpoints that it knows, fetch one, "
                   "look one over, or draft a new family."),
        "shapes": ("mmx.cli.shapes:shapes_app", "The drawn world that the shipped checkpoints know.")}


app = typer.Typer(name="mmx", cls=Commands, add_completion=True, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]})


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
    warnings.simplefilter("once", Notice)
    warnings.showwarning = _shown(warnings.showwarning)
    try:
        code = app(prog_name="mmx", standalone_mode=False)
    except KeyboardInterrupt as error:
        code = _report(stopped(error))
    except EOFError:
        code = INTERRUPTED
    except Exception as error:
        code = _report(error)
    sys.exit(code if isinstance(code, int) else 0)


def _shown(otherwise: Callable[..., None]) -> Callable[..., None]:
    """Notices as notes, other warnings as before."""
    def show(message: Warning | str, category: type[Warning], *more: Any, **given: Any) -> None:
        if not issubclass(category, Notice):
            otherwise(message, category, *more, **given)
        elif not quiet_wanted():
            print_note(str(message))

    return show


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
