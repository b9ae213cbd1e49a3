"""`mmx segment`: any model's relevance, scored against COCO annotations."""

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
    Features,
    JsonFlag,
    MaxMemory,
    Out,
    Processor,
    Quiet,
    Regions,
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
        "Any model: a shipped one, a local from_pretrained folder or a hub id (default: shapes-detr).")] = None,
    revision: Revision = None,
    answers: Answers = None,
    processor: Processor = None,
    regions: Regions = None,
    features: Features = None,
    method: Annotated[list[str] | None, methods_option(
        "default: relevance, in 'iccv21' with the reference's accidents, ours_no_lrp")] = None,
    protocol: Annotated[Literal["maps", "iccv21", "clean"] | None, typer.Option(
        "--protocol", metavar="maps|iccv21|clean", rich_help_panel=ASKED,
        help="maps: a map for each category that is in a picture, of any model. Of a detector of classes iccv21 "
        "(default): masks as the paper's code computes them; clean: finer masks, only of what is kept.")] = None,
    threshold: Annotated[float, typer.Option(
        "--threshold", metavar="SHARE", rich_help_panel=ASKED, min=0, max=1,
        help="Detections surer than this are scored.")] = 0.5,
    template: Annotated[str | None, typer.Option(
        "--template", metavar="TEXT", rich_help_panel=ASKED,
        help="How a category is asked for: of a model that matches texts 'a photo of {a} {name}', of one that answers "
        "'is there {a} {name}?'; {a} is 'a' or 'an'.")] = None,
    synonyms: Annotated[Path | None, typer.Option(
        "--synonyms", metavar="FILE", rich_help_panel=ASKED,
        help='Further names of categories, JSON as {"tv": ["television"]}: classes that are of them, or what texts '
        "call them. ImageNet's are known.")] = None,
    boxes: Annotated[bool, typer.Option(
        "--boxes", rich_help_panel=ASKED, help="Of 'maps': an object is all of its box, as where a file has no "
        "outlines.")] = False,
    limit: Annotated[int | None, typer.Option(
        "--limit", metavar="N", rich_help_panel=ASKED, min=1, help="This many pictures, the first by id.")] = None,
    seed: Annotated[int | None, typer.Option(
        "--seed", metavar="N", rich_help_panel=ASKED, help="Draw the pictures of --limit at random.")] = None,
    strict: Annotated[bool, typer.Option(
        "--strict", rich_help_panel=ASKED, help="Refuse a file in which an annotation cannot be used; else it is left "
        "out, with a warning.")] = False,
    batch_size: Annotated[int, typer.Option(
        "--batch-size", metavar="N", rich_help_panel=MACHINE, min=1,
        help="Pictures that run through the model at once, at most; in 'clean' those of one size "
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
    """Score relevance against COCO annotations: where does a method point?

    Any model is asked about each category that is in a picture, and the maps are scored by pointing game, mass, rank,
    IoU and average precision, beside chance and a picture's centre. Of a detector, masks are scored. Writes
    summary.json, summary.csv and a gallery into --out;
    'torchrun --nproc-per-node N -m mmx segment ...' shares the pictures out. Example:

    mmx segment --images val2017 --annotations instances_val2017.json --model google/vit-base-patch16-224 --limit 100
    """
    from mmx.checkpoints.families import check_detects
    from mmx.cli.beforehand import check_choices, check_folder, check_model, read_soon
    from mmx.cli.lazy_imports import without_collector
    from mmx.cli.opening import parse_memory, parse_regions
    from mmx.cli.output import print_note
    from mmx.cli.reporter import OnTerminal
    from mmx.cli.results import result_folder
    from mmx.datasets.coco import read_instances
    from mmx.datasets.synonyms import Synonyms
    from mmx.studies.folders import check_out
    from mmx.studies.segment.data import check_given
    from mmx.studies.world import joined_world

    check_out(out, resume=resume, overwrite=overwrite)
    memory = parse_memory(max_memory)
    check_choices(method or [], device, dtype)
    check_given(images, annotations, limit, seed)
    if images is not None and annotations is not None:
        check_folder(images, "--images")
        read_soon(lambda: read_instances(annotations, images, boxes=boxes), annotations)
    if synonyms is not None:
        Synonyms.read(synonyms)
    check = check_detects if protocol in ("iccv21", "clean") else lambda family, name: None
    check_model(model or DETECTOR, revision, regions=regions, features=features, answers=answers, processor=processor,
                check=check)
    with joined_world() as world, result_folder(out):
        from mmx.cli.segment_tables import print_study
        with without_collector():
            from mmx.model import load
            from mmx.studies.segment.detector import FOR_PHOTOGRAPHS
            from mmx.studies.segment.study import segment as segmented  # torch comes with these

        if model is None and world.leads and not quiet:
            print_note(f"using {DETECTOR}, which ships with mmx and knows drawn shapes only; "
                       f"for photographs: --model {FOR_PHOTOGRAPHS}")
        loaded = load(model or DETECTOR, world.device(device), dtype, revision=revision,
                      regions=parse_regions(regions), features=features, answers=answers, processor=processor)
        study = segmented(loaded, images, annotations, methods=method, protocol=protocol, threshold=threshold,
                          template=template, synonyms=synonyms, boxes=boxes, limit=limit, seed=seed, strict=strict,
                          batch_size=batch_size, max_memory=memory, out=out, resume=resume, overwrite=overwrite,
                          progress=OnTerminal(quiet))
    if not world.leads:
        return
    print_study(study.to_dict(), out, as_json)
    if study.document["samples"]["failed"]:
        raise typer.Exit(1)
