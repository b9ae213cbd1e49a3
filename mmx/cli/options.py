"""What several commands share: options, and help where no subcommand follows."""

from pathlib import Path
from typing import Annotated

import typer

ModelName = Annotated[str | None, typer.Option(
    "--model", "-M", help="A shipped checkpoint (see 'mmx models'), a local from_pretrained folder, or a hub id. "
    "Default: MMX_MODEL, else the config file, else the one that ships with mmx.")]
Revision = Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit of a hub checkpoint.")]
Regions = Annotated[str | None, typer.Option(
    "--regions", metavar="KIND", help="Where regions come from: 'frcnn' or 'frcnn:FOLDER' (the Visual Genome "
    "detector), 'frcnn-iccv21' (with channels as in the reference), 'grid' or 'grid:ROWSxCOLUMNS' (default: what "
    "the checkpoint was trained on).")]
Features = Annotated[Path | None, typer.Option(
    "--features", metavar="FILE", help="Instead of --regions: features computed before, by the pictures' names: "
    "LXMERT's .tsv, or MMF's LMDB or folder of .npy files.")]
Answers = Annotated[Path | None, typer.Option(
    "--answers", metavar="FILE", help="What the model's answers are called, where its config does not say: a JSON "
    "array, or one a line.")]
MaxMemory = Annotated[str | None, typer.Option(
    "--max-memory", metavar="SIZE", help="What gradients may take, as 2GB or 500MB; more detections go through in "
    "turns (default: 256 MiB, more on a GPU).")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where results are written.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option("--dtype", help="auto (float32), float32, bfloat16, float16 or float64.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Questions that run through the model at once.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No notes and no progress on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def help_if_alone(context: typer.Context) -> None:
    """Typer's own no_args_is_help ends as an error that has no message."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
