"""`mmx segment`: masks out of a detector's relevance, scored against COCO annotations."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmx.cli.listing import JsonFlag
from mmx.cli.options import Debug, Device, Dtype, MaxMemory, Out, Quiet, Revision


def segment(
    images: Annotated[Path | None, typer.Option(
        "--images", metavar="DIR", help="Where the pictures lie (default: 100 drawn scenes).")] = None,
    annotations: Annotated[Path | None, typer.Option(
        "--annotations", metavar="FILE", help="Their COCO instances file, such as instances_val2017.json.")] = None,
    model: Annotated[str | None, typer.Option(
        "--model", "-M", help="A detector: a local from_pretrained folder or a hub id (default: shapes-detr).")] = None,
    revision: Revision = None,
    method: Annotated[list[str] | None, typer.Option(
        "--method", "-m", help="Method by name, see 'mmx methods'; may be repeated; 'all' for all of them "
        "(default: relevance, in 'iccv21' with the reference's accidents, ours_no_lrp).")] = None,
    protocol: Annotated[Literal["iccv21", "clean"], typer.Option(
        "--protocol", help="iccv21: what the paper's code computes. clean: finer masks, only of what is kept.")]
    = "iccv21",
    threshold: Annotated[float, typer.Option(
        "--threshold", min=0, max=1, help="Detections surer than this get a mask.")] = 0.5,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="This many pictures, the first by id.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Draw the pictures of --limit at random.")] = None,
    batch_size: Annotated[int, typer.Option(
        "--batch-size", min=1, help="Pictures of one size that run through the model at once in 'clean', at most "
        "(large ones go one by one on the CPU); 'iccv21' takes one at a time.")] = 8,
    max_memory: MaxMemory = None,
    out: Out = Path("mmx-segment"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    as_json: JsonFlag = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score masks made of a detector's relevance against COCO annotations.

    Writes summary.json, COCO results files and a gallery into --out; 'torchrun --nproc-per-node N -m mmx segment ...'
    shares the pictures out. Example:

    mmx segment --images val2017 --annotations instances_val2017.json --model facebook/detr-resnet-50 --limit 100
    """
    from mmx.cli.opening import parse_memory
    from mmx.cli.results import result_folder
    from mmx.cli.segment_run import Data, gradient_memory, open_detector, run_segmentation
    from mmx.cli.segment_tables import print_summary
    from mmx.studies.runs import joined_world
    from mmx.studies.segment.records import DEFAULT_METHOD, Segmentation, methods_named

    methods, memory = methods_named(method or DEFAULT_METHOD[protocol], protocol), parse_memory(max_memory)
    with joined_world() as world, result_folder(out):
        loaded = open_detector(model, revision, device, dtype, world, quiet)
        data = Data.read(images, annotations, out, limit, seed, world)
        work = Segmentation(loaded, methods, protocol, threshold, gradient_memory(loaded, memory))
        summary = run_segmentation(work, data, 1 if protocol == "iccv21" else batch_size, out, resume, world, quiet)
        if summary is None:
            return
        print_summary(summary, out, as_json)
    if summary["images"]["failed"]:
        raise typer.Exit(1)
