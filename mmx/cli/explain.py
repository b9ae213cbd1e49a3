"""`mmx explain`: pictures and questions in; answers, pictures and scores out."""

from pathlib import Path
from typing import Annotated

import typer

from mmx.cli.listing import JsonFlag
from mmx.cli.options import BatchSize, Debug, Device, Dtype, ModelName, Out, Quiet, Revision


def explain(
    images: Annotated[list[str] | None, typer.Argument(metavar="IMAGE...", help="Pictures to ask about.")] = None,
    question: Annotated[str | None, typer.Option(
        "--question", "-q", help="The question, asked of every IMAGE.")] = None,
    questions: Annotated[Path | None, typer.Option(
        "--questions", metavar="FILE", help="Instead of IMAGE and --question: a .csv, .tsv, .jsonl or .json file with "
        "columns image and question, and perhaps target and id.")] = None,
    images_dir: Annotated[Path | None, typer.Option(
        "--images", metavar="DIR", help="Where the pictures of --questions lie (default: beside that file).")] = None,
    method: Annotated[list[str] | None, typer.Option(
        "--method", "-m", help="Method by name, see 'mmx methods'; may be repeated; 'all' for all of them.")] = None,
    target: Annotated[str | None, typer.Option(
        "--target", "-t", help="The answer to explain, by text or index (default: the predicted one).")] = None,
    model: ModelName = None,
    revision: Revision = None,
    regions: Annotated[str | None, typer.Option(
        "--regions", metavar="KIND", help="Where regions come from: 'grid' or 'grid:ROWSxCOLUMNS' "
        "(default: what the checkpoint names).")] = None,
    out: Out = Path("mmx-out"),
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what is in --out already.")] = False,
    as_json: JsonFlag = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    batch_size: BatchSize = 16,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Explain the answer to a question about a picture.

    Writes a PNG and a JSON file for each picture and method into --out. Example:

    mmx explain photo.jpg --question "what color is the circle?"
    """
    from mmx.cli.batch import Batch
    from mmx.cli.opening import check_options, chosen_methods, open_model
    from mmx.cli.report import BatchReport
    from mmx.cli.requests import gather_requests
    from mmx.cli.results import result_folder

    report = BatchReport(as_json=as_json, quiet=quiet)
    try:
        requests = gather_requests(images or [], question, questions, images_dir, target)
        methods = chosen_methods(method or ["relevance"])
        with result_folder(out):
            loaded = open_model(model, revision, regions, device, dtype, quiet)
            check_options(loaded, question, target)
            report.expect(requests, several_methods=len(methods) > 1)
            Batch(loaded, methods, out, resume, report).run(requests, batch_size)
    except Exception as error:
        report.stop(error)
        raise
    report.close(out)
    if report.failures:
        raise typer.Exit(1)
