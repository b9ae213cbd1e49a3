"""`mmx models`: which checkpoints there are, fetching one, and looking one over."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from mmx.cli.commands import Command, Group
from mmx.cli.completion import complete_model
from mmx.cli.fields import with_options
from mmx.cli.listing import names_table
from mmx.cli.options import (
    ASKED,
    OUTPUT,
    Answers,
    Debug,
    Device,
    Dtype,
    Features,
    JsonFlag,
    Processor,
    Quiet,
    Regions,
    Revision,
)
from mmx.cli.output import print_error, print_json, print_note, print_result
from mmx.devices import DEFAULT_DEVICE
from mmx.errors import MmxError
from mmx.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from mmx.model.inspection import Finding

models_app = typer.Typer(name="models", cls=Group, invoke_without_command=True)

_MARKS = {True: ("ok", "green"), False: ("FAILS", "bold red"), None: ("", "")}
_SIGNS = {True: "works", False: "fails", None: "note"}


@models_app.callback()
def models(context: typer.Context, as_json: JsonFlag = False, debug: Debug = False) -> None:
    """List what mmx explains and the checkpoints that it knows, fetch one, look one over, or draft a new family."""
    if context.invoked_subcommand is not None:
        return
    from mmx.cli.model_list import listed, print_list

    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **listed()})
    else:
        print_list()


@models_app.command(cls=Command)
def pull(
    name: Annotated[str, typer.Argument(
        metavar="NAME", autocompletion=complete_model, help="A hub id, such as unc-nlp/lxmert-vqa-uncased.")],
    revision: Revision = None,
    device: Device = DEFAULT_DEVICE,
    as_json: JsonFlag = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch a checkpoint with all that it needs into the local cache, and look it over.

    The cache, a token and a mirror are those of the Hugging Face hub: HF_HOME, HF_TOKEN, HF_ENDPOINT.
    """
    from mmx.checkpoints.catalog import catalog, shipped_names
    from mmx.checkpoints.pulling import pull_all
    from mmx.errors import unknown_name

    if name in shipped_names():
        print_note(f"{name} ships with mmx: there is nothing to fetch")
    elif not Path(name).expanduser().is_dir():
        if "/" not in name:
            raise unknown_name("checkpoint", name, [entry.name for entry in catalog()])
        for told in pull_all(name, revision):
            if not quiet:
                print_note(told)
    _look_over(name, revision, device, "auto", as_json)


@models_app.command(cls=Command)
def check(
    name: Annotated[str, typer.Argument(
        metavar="NAME", autocompletion=complete_model, help="A shipped name, a hub id, or a from_pretrained folder.")],
    image: Annotated[str | None, typer.Argument(
        metavar="[IMAGE]", help="A picture, of which the five most probable answers are shown.")] = None,
    question: Annotated[str | None, typer.Option(
        "--question", "-q", metavar="TEXT", rich_help_panel=ASKED,
        help="The question about IMAGE, of a model that answers questions.")] = None,
    text: Annotated[list[str] | None, typer.Option(
        "--text", metavar="TEXT", rich_help_panel=ASKED,
        help="Of a model that matches pictures and texts: a text; may be repeated.")] = None,
    revision: Revision = None,
    regions: Regions = None,
    answers: Answers = None,
    features: Features = None,
    processor: Processor = None,
    device: Device = DEFAULT_DEVICE,
    dtype: Dtype = "auto",
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Look a checkpoint over: does it load, can every attention map be trusted, what else does it need?

    The first thing to run on a checkpoint of your own. Exit code 1 where something fails. With a picture that you know
    the answer to, wrong names of answers and wrong settings for pictures show at once:

    mmx models check path/to/a/vit cat.jpg
    """
    from mmx.cli.beforehand import check_choices, check_model
    from mmx.cli.opening import parse_regions
    from mmx.errors import UsageError
    from mmx.images import open_picture
    from mmx.results import Asked

    if image is None and (question is not None or text):
        raise UsageError("--question and --text are asked about a picture.", "Give one: mmx models check NAME IMAGE.")
    check_choices([], device, dtype)
    check_model(name, revision, regions=regions, features=features, answers=answers, processor=processor,
                of_family=False)
    given = {"picture": None if image is None else open_picture(image), "asked": Asked(question, tuple(text or ())),
             "regions": parse_regions(regions), "answers": answers, "features": features, "processor": processor}
    _look_over(name, revision, device, dtype, as_json, **given)


@models_app.command(cls=Command)
def new(
    name: Annotated[str, typer.Argument(
        metavar="CLASS", help="A class of transformers, as `architectures` in a config.json names it.")],
    out: Annotated[Path | None, typer.Option(
        "--out", metavar="FILE", rich_help_panel=OUTPUT, help="Write it there, where nothing is yet.")] = None,
    debug: Debug = False,
) -> None:
    """Draft the file of a family for a class that mmx does not explain yet, filled in as far as a trial run says.

    A small random network of the class runs once; nothing is fetched. What is left to say stands after "TODO:".
    docs/add-a-family.md goes on from there.

    mmx models new PvtForImageClassification --out pvt.py
    """
    from mmx.cli.lazy_imports import without_collector
    from mmx.errors import UsageError, shown_path
    from mmx.files import write_new

    if out is not None and out.exists():
        raise UsageError(f"{shown_path(out)} is there already.", "Give another name with --out.")
    with without_collector():
        from mmx.drafts import draft  # torch comes with it

    text = draft(name)
    if out is None:
        print_result(Text(text.rstrip("\n")))
    else:
        write_new({out: text.encode()})
        print_result(Text(str(out)))


def _look_over(name: str, revision: str | None, device: str, dtype: str, as_json: bool, **given: Any) -> None:
    from mmx.cli.lazy_imports import without_collector

    with without_collector():
        from mmx.model.inspection import inspect  # torch comes with it
    from mmx.results.documents import prediction_to_dict

    found = [replace(one, told=with_options(one.told)) for one in inspect(name, revision, device, dtype, **given)]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "name": name, "works": _works(found), "findings": [
            {"what": one.what, "result": _SIGNS[one.works], "told": one.told} for one in found],
            "predictions": [prediction_to_dict(each) for one in found for each in one.predictions]})
    else:
        table = names_table("looked at", "", "found")
        for one in found:
            table.add_row(one.what, Text(*_MARKS[one.works]), Text(one.told))
        print_result(table)
    if not _works(found):
        failed = [one.what for one in found if one.works is False]
        print_error(MmxError(f"{name} does not work with mmx as it is: {', '.join(failed)} failed."))
        raise typer.Exit(1)


def _works(found: "Iterable[Finding]") -> bool:
    return all(one.works is not False for one in found)
