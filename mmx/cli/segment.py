"""`mmx segment`: masks out of a detector's relevance, scored against COCO annotations."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmx.cli.options import (
    ASKED,
    MACHINE,
    OUTPUT,
    Answers,
    Debug,
    Device,
    Dtype,
    JsonFlag,
    MaxMemory,
    Out,
    Processor,
    Quiet,
    Revision,
    methods_option,
    model_option,
)
from mmx.devices import DEFAULT_DEVICE

DETECTOR = "shapes-detr"


def segment(
    images: Annotated[Path | None, typer.Option(
        "--images", rich_help_panel=ASKED, metavar="DIR",
        help="Where the pictures lie (default: 100 drawn scenes).")] = None,
    annotations: Annotated[Path | None, typer.Option(
        "--annotations", rich_help_panel=ASKED, metavar="FILE",
        help="Their COCO instances file, such as instances_val2017.json.")] = None,
    model: Annotated[str | None, model_option(
        "A detector: a local from_pretrained folder or a hub id (default: shapes-detr).")] = None,
    revision: Revision = None,
    answers: Answers = None,
    processor: Processor = None,
    method: Annotated[list[str] | None, methods_option(
        "default: relevance, in 'iccv21' with the reference's accidents, ours_no_lrp")] = None,
    protocol: Annotated[Literal["iccv21", "clean"], typer.Option(
        "--protocol", metavar="iccv21|clean", rich_help_panel=ASKED,
        help="iccv21: what the paper's code computes. clean: finer masks, only of what is kept.")]
    = "iccv21",
    threshold: Annotated[float, typer.Option(
        "--threshold", metavar="SHARE", rich_help_panel=ASKED, min=0, max=1,
        help="Detections surer than this get a mask.")] = 0.5,
    limit: Annotated[int | None, typer.Option(
        "--limit", metavar="N", rich_help_panel=ASKED, min=1, help="This many pictures, the first by id.")] = None,
    seed: Annotated[int | None, typer.Option(
        "--seed", metavar="N", rich_help_panel=ASKED, help="Draw the pictures of --limit at random.")] = None,
    strict: Annotated[bool, typer.Option(
        "--strict", rich_help_panel=ASKED, help="Refuse a file in which an annotation cannot be used; else it is left "
        "out, with a warning.")] = False,
    batch_size: Annotated[int, typer.Option(
        "--batch-size", metavar="N", rich_help_panel=MACHINE, min=1,
        help="Pictures of one size that run through the model at once in 'clean', at most "
        "(large ones go one by one on the CPU); 'iccv21' takes one at a time.")] = 8,
    max_memory: MaxMemory = None,
    out: Out = Path("mmx-segment"),
    resume: Annotated[bool, typer.Option(
        "--resume", rich_help_panel=OUTPUT, help="Go on with the run in --out.")] = False,
    overwrite: Annotated[bool, typer.Option(
        "--overwrite", rich_help_panel=OUTPUT, help="Replace the run in --out.")] = False,
    as_json: JsonFlag = False,
    device: Device = DEFAULT_DEVICE,
    dtype: Dtype = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score masks made of a detector's relevance against COCO annotations.

    Writes summary.json, summary.csv, COCO results files and a gallery into --out;
    'torchrun --nproc-per-node N -m mmx segment ...' shares the pictures out. Example:

    mmx segment --images val2017 --annotations instances_val2017.json --model facebook/detr-resnet-50 --limit 100
    """
    from mmx.checkpoints.families import check_detects
    from mmx.cli.beforehand import check_choices, check_folder, check_model, read_soon
    from mmx.cli.lazy_imports import without_collector
    from mmx.cli.opening import parse_memory
    from mmx.cli.output import print_note
    from mmx.cli.reporter import OnTerminal
    from mmx.cli.results import result_folder
    from mmx.datasets.coco import read_instances
    from mmx.studies.folders import check_out
    from mmx.studies.segment.data import check_given
    from mmx.studies.world import joined_world

    check_out(out, resume=resume, overwrite=overwrite)
    memory = parse_memory(max_memory)
    check_choices(method or [], device, dtype)
    check_given(images, annotations, limit, seed)
    if images is not None and annotations is not None:
        check_folder(images, "--images")
        read_soon(lambda: read_instances(annotations, images), annotations)
    check_model(model or DETECTOR, revision, answers=answers, processor=processor, check=check_detects)
    with joined_world() as world, result_folder(out):
        from mmx.cli.segment_tables import print_summary
        with without_collector():
            from mmx.model import load
            from mmx.studies.segment.detector import FOR_PHOTOGRAPHS
            from mmx.studies.segment.study import segment as segmented  # torch comes with these

        if model is None and world.leads and not quiet:
            print_note(f"using {DETECTOR}, which ships with mmx and knows drawn shapes only; "
                       f"for photographs: --model {FOR_PHOTOGRAPHS}")
        loaded = load(model or DETECTOR, world.device(device), dtype, revision=revision, answers=answers,
                      processor=processor)
        study = segmented(loaded, images, annotations, methods=method, protocol=protocol, threshold=threshold,
                          limit=limit, seed=seed, strict=strict, batch_size=batch_size, max_memory=memory, out=out,
                          resume=resume, overwrite=overwrite, progress=OnTerminal(quiet))
    if not world.leads:
        return
    print_summary(study.to_dict(), out, as_json)
    if study.document["samples"]["failed"]:
        raise typer.Exit(1)
