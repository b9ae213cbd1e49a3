"""`mmx shapes`: the drawn world that the shipped checkpoints know."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mmx.cli.commands import Command, Group, help_if_alone
from mmx.cli.options import (
    ASKED,
    OUTPUT,
    BatchSize,
    Debug,
    Device,
    JsonFlag,
    ModelName,
    Quiet,
    Samples,
    methods_option,
)
from mmx.cli.output import print_json, print_result
from mmx.devices import DEFAULT_DEVICE

shapes_app = typer.Typer(name="shapes", cls=Group)


@shapes_app.callback(invoke_without_command=True)
def shapes(context: typer.Context) -> None:
    """The drawn world that the shipped checkpoints know."""
    help_if_alone(context)


Count = Annotated[int, typer.Option(
    "--count", "-n", metavar="N", rich_help_panel=ASKED, min=1, max=100_000, help="How many scenes.")]
FirstScene = Annotated[int, typer.Option(
    "--first-scene", metavar="N", rich_help_panel=ASKED, min=0, max=10**9,
    help="Number of the first scene.")]
Size = Annotated[int, typer.Option(
    "--size", metavar="N", rich_help_panel=ASKED, min=16, max=4096, help="Side of a picture in pixels.")]
Overwrite = Annotated[bool, typer.Option(
    "--overwrite", rich_help_panel=OUTPUT, help="Replace other files of these names.")]


@shapes_app.command(cls=Command)
def evaluate(
    model: ModelName = None,
    method: Annotated[list[str] | None, methods_option("default: paper")] = None,
    samples: Samples = None,
    scenes: Annotated[int, typer.Option(
        "--scenes", metavar="N", rich_help_panel=ASKED, min=1, max=1_000_000,
        help="Fresh scenes.")] = 2000,
    first_scene: Annotated[int, typer.Option(
        "--first-scene", metavar="N", rich_help_panel=ASKED, min=0, max=10**9, help="Number of the first scene.")] = 0,
    device: Device = DEFAULT_DEVICE,
    batch_size: BatchSize = 32,
    as_json: JsonFlag = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a checkpoint and its explanations against scenes whose truth is known."""
    from mmx.cli.beforehand import check_choices, check_model
    from mmx.cli.lazy_imports import without_collector
    from mmx.cli.opening import open_model
    from mmx.cli.reporter import OnTerminal

    check_choices(method or [], device)
    check_model(model, None)
    with without_collector():
        from mmx.studies.exam.study import evaluate as evaluated  # torch comes with it

    loaded = open_model(model, None, None, device, "auto", quiet)
    study = evaluated(loaded, methods=method or ["paper"], scenes=scenes, first_scene=first_scene,
                      batch_size=batch_size, samples=samples, progress=OnTerminal(quiet))
    if as_json:
        print_json(study.to_dict())
    else:
        _print_tables(study.to_dict())


def _print_tables(summary: dict) -> None:
    from mmx.studies.exam.verdicts import GROUPS

    accuracy = summary["accuracy"]
    by_kind = ", ".join(f"{kind} {100 * value:.1f}" for kind, value in summary["accuracy_by_kind"].items())
    print_result(Text.assemble((summary["model"]["name"], "bold"), f" is right in {_share(accuracy)} % of "
                               f"{summary['samples']['evaluated']} cases: {by_kind}"))
    for group, chance in summary["pointing_by_chance"].items():
        count = next(iter(summary["methods"].values()))[group]["pointing"]["samples"]
        print_result(f"\n{count} {GROUPS[group]}; pointing by chance {100 * chance:.1f}")
        table = Table("method", "pointing %", f"pointing - {summary['difference_to']}", "mass %", "rank %", box=None,
                      padding=(0, 3, 0, 0), header_style="bold")
        for name, groups in summary["methods"].items():
            paired = summary["differences"].get(name)
            table.add_row(name, _share(groups[group]["pointing"]),
                          _share(paired[group]["pointing"], signed=True) if paired else "",
                          *(_share(groups[group][metric]) for metric in ("mass", "rank")))
        print_result(table)
    print_result(
        "\nHigher is better; in brackets 95 % bootstrap intervals, paired for differences. pointing: the most "
        "relevant region lies on the object. mass: share of the relevance on it. rank: share of its pixels among "
        "the most relevant ones.")
    for note in summary["notes"]:
        print_result(Text(note))


def _share(estimate: dict, signed: bool = False) -> str:
    sign = "+" if signed else ""
    mean, low, high = (format(100 * estimate[key], f"{sign}.1f") for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


@shapes_app.command(cls=Command)
def draw(
    out: Annotated[Path, typer.Option(
        "--out", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="Where the pictures go.")] = Path("shapes"),
    count: Count = 8,
    first_scene: FirstScene = 0,
    size: Size = 480,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Draw scenes as PNG files, with a question about each in questions.csv."""
    from mmx.errors import shown_path
    from mmx.shapes.samples import write_samples

    for path in write_samples(out, range(first_scene, first_scene + count), size, overwrite):
        print_result(Text(shown_path(path)))


@shapes_app.command(cls=Command)
def coco(
    out: Annotated[Path, typer.Option(
        "--out", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="Where the files go.")] = Path("shapes-coco"),
    count: Count = 100,
    first_scene: FirstScene = 0,
    size: Size = 480,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Draw scenes as a COCO data set: PNG files, and their masks and boxes in instances.json."""
    from mmx.errors import shown_path
    from mmx.shapes.coco import write_coco

    *pictures, annotations = write_coco(out, range(first_scene, first_scene + count), size, overwrite)
    print_result(Text(f"{len(pictures)} pictures in {shown_path(out)}, with {shown_path(annotations)}"))
