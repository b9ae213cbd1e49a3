"""Options that several commands share, in their panels of the help."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmx.cli.commands import ASKED, DRAWING, MACHINE, MODEL, OUTPUT, REGIONS
from mmx.cli.completion import complete_method, complete_model


def methods_option(default: str, panel: str = ASKED) -> Any:
    """`-m a -m b` and `-m a,b` are the same."""
    return typer.Option(
        "--method", "-m", metavar="NAME", callback=_parted, autocompletion=complete_method, rich_help_panel=panel,
        help="Method by name, see 'mmx methods'; several as 'a,b' or one by one; 'paper' for those that the paper "
        f"compares, 'fast' for those that share one backward, 'all' for all that fit the model ({default}).")


def model_option(help: str) -> Any:
    return typer.Option("--model", "-M", metavar="NAME", help=help, rich_help_panel=MODEL,
                        autocompletion=complete_model)


def _parted(names: list[str] | None) -> list[str] | None:
    return names and [part.strip() for name in names for part in name.split(",")]


def _formats_option(more: str) -> Any:
    return typer.Option("--format", metavar="NAME", rich_help_panel=DRAWING, callback=_parted,
                        help=f"png, svg or pdf; several as 'png,pdf' or one by one (default: png){more}.")


ModelName = Annotated[str | None, model_option(
    "A shipped checkpoint (see 'mmx models'), a local from_pretrained folder, or a hub id. Default: MMX_MODEL, else "
    "the config file, else the one that ships with mmx.")]
Revision = Annotated[str | None, typer.Option(
    "--revision", metavar="NAME", rich_help_panel=MODEL, help="Branch, tag or commit of a hub checkpoint.")]
Answers = Annotated[Path | None, typer.Option(
    "--answers", metavar="FILE", rich_help_panel=MODEL, help="What the model's answers are called, where its config "
    "does not say: a JSON array, or one a line.")]
Processor = Annotated[str | None, typer.Option(
    "--processor", metavar="NAME", rich_help_panel=MODEL, help="Another checkpoint, by hub id or folder, whose image "
    "processor shows the model its pictures; its tokenizer too where the model has none.")]
Regions = Annotated[str | None, typer.Option(
    "--regions", metavar="KIND", rich_help_panel=REGIONS, help="Where regions come from: 'frcnn' or 'frcnn:FOLDER' "
    "(the Visual Genome detector), 'frcnn-iccv21' (with channels as in the reference), 'grid' or 'grid:ROWSxCOLUMNS' "
    "(default: what the checkpoint was trained on).")]
Features = Annotated[Path | None, typer.Option(
    "--features", metavar="FILE", rich_help_panel=REGIONS, help="Instead of --regions: features computed before, by "
    "the pictures' names: LXMERT's or bottom-up attention's .tsv, or MMF's LMDB or folder of .npy files.")]
Samples = Annotated[int | None, typer.Option(
    "--samples", metavar="N", min=1, rich_help_panel=ASKED, help="How often a method runs the model again that can "
    "choose: steps of integrated-gradients (32), noisy embeddings of smoothgrad (32), masks of rise (500).")]
Out = Annotated[Path, typer.Option(
    "--out", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="Where results are written.")]
JsonFlag = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="One JSON document on stdout.")]
FigureKind = Annotated[str, typer.Option(
    "--figure", metavar="KIND", rich_help_panel=DRAWING, help="sheet: all of it with words and scales; overlay: the "
    "picture alone with its map, at its own size, a file for each item.")]
Formats = Annotated[list[str] | None, _formats_option("")]
FormatsOrNone = Annotated[list[str] | None, _formats_option("; json: the scores alone, no figure")]
Cmap = Annotated[str | None, typer.Option(
    "--cmap", metavar="NAME", rich_help_panel=DRAWING, help="One of matplotlib's colour maps, as 'viridis'.")]
Alpha = Annotated[float | None, typer.Option(
    "--alpha", metavar="SHARE", rich_help_panel=DRAWING, help="How much the strongest colour covers, from 0 to 1.")]
Cells = Annotated[bool, typer.Option(
    "--cells", rich_help_panel=DRAWING, help="Show the patches themselves, each in its own colour.")]
Quiet = Annotated[bool, typer.Option("--quiet", rich_help_panel=OUTPUT, help="No notes and no progress on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", rich_help_panel=OUTPUT, help="Show the traceback of an error.")]
Device = Annotated[str, typer.Option(
    "--device", metavar="NAME", rich_help_panel=MACHINE, help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(
    "--dtype", metavar="NAME", rich_help_panel=MACHINE,
    help="auto (float32), float32, bfloat16, float16 or float64.")]
BatchSize = Annotated[int, typer.Option(
    "--batch-size", metavar="N", min=1, rich_help_panel=MACHINE,
    help="Questions that run through the model at once.")]
Workers = Annotated[int | None, typer.Option(
    "--workers", metavar="N", min=0, rich_help_panel=MACHINE, help="Processes beside the model that open and draw "
    "pictures, no more than cores; 0 or 1 is none (default: by cores, none for a few pictures).")]
MaxMemory = Annotated[str | None, typer.Option(
    "--max-memory", metavar="SIZE", rich_help_panel=MACHINE, help="What may be taken beside the model, as 2GB or "
    "500MB: pictures and what is explained of them go through in turns to fit (default: as the device allows).")]
