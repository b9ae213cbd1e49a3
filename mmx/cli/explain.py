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
    threshold: Annotated[float | None, typer.Option(
        "--threshold", help="Of a model that finds objects: explain detections surer than this (default 0.5).")] = None,
    query: Annotated[list[int] | None, typer.Option(
        "--query", metavar="N", help="Instead of --threshold: explain this object query; may be repeated.")] = None,
    class_name: Annotated[str | None, typer.Option(
        "--class", metavar="NAME", help="Explain detections of this class only; with --query, what speaks for it "
        "there.")] = None,
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
    max_memory: Annotated[str | None, typer.Option(
        "--max-memory", metavar="SIZE", help="What gradients may take, as 2GB or 500MB; more detections go through in "
        "turns (default: 2 GiB, half of what is free on a GPU).")] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Explain the answer to a question about a picture, or what a model finds in it.

    Writes a PNG and a JSON file for each picture and method into --out. Examples:

    mmx explain photo.jpg --question "what color is the circle?"

    mmx explain photo.jpg --model path/to/a/detr --threshold 0.7
    """
    from mmx.cli.batch import Batch
    from mmx.cli.opening import chosen_methods, open_model, parse_memory, wanted_detections
    from mmx.cli.report import BatchReport
    from mmx.cli.requests import gather_requests
    from mmx.cli.results import result_folder

    report = BatchReport(as_json=as_json, quiet=quiet)
    try:
        requests = gather_requests(images or [], question, questions, images_dir, target)
        methods, memory = chosen_methods(method or ["relevance"]), parse_memory(max_memory)
        wanted = wanted_detections(threshold, query, class_name)
        with result_folder(out):
            loaded = open_model(model, revision, regions, device, dtype, quiet)
            loaded.check("?" if questions is not None else question, target, wanted)
            report.expect(requests, several_methods=len(methods) > 1)
            Batch(loaded, methods, out, resume, report, wanted, memory).run(requests, batch_size)
    except Exception as error:
        report.stop(error)
        raise
    report.close(out)
    if report.failures:
        raise typer.Exit(1)
