"""`mmx perturb`: how accuracy, or an answer's log-probability, falls as words, regions or patches are removed."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmx.cli.options import (
    ASKED,
    MACHINE,
    OUTPUT,
    REGIONS,
    Answers,
    Debug,
    Device,
    Dtype,
    Features,
    JsonFlag,
    ModelName,
    Out,
    Processor,
    Quiet,
    Regions,
    Revision,
    Samples,
    methods_option,
)
from mmx.devices import DEFAULT_DEVICE

if TYPE_CHECKING:
    from mmx.families.base import Family


def perturb(
    data: Annotated[Path | None, typer.Option(
        "--data", rich_help_panel=ASKED, metavar="FILE",
        help="LXMERT's valid.json, VQA's questions with --annotations, or a .csv, .tsv, "
        ".jsonl or .json file with image, question and answer (default: drawn scenes).")] = None,
    annotations: Annotated[Path | None, typer.Option(
        "--annotations", rich_help_panel=ASKED, metavar="FILE",
        help="The answers to VQA's official questions. A model that writes its answers needs none.")] = None,
    images: Annotated[Path | None, typer.Option(
        "--images", rich_help_panel=ASKED, metavar="DIR",
        help="Where the pictures of --data lie; not needed with --features.")] = None,
    method: Annotated[list[str] | None, methods_option("default: relevance")] = None,
    samples: Samples = None,
    positive: Annotated[bool, typer.Option(
        "--positive", rich_help_panel=ASKED,
        help="Remove the most relevant first (default: this and --negative).")] = False,
    negative: Annotated[bool, typer.Option(
        "--negative", rich_help_panel=ASKED, help="Remove the least relevant first.")] = False,
    modality: Annotated[list[str] | None, typer.Option(
        "--modality", metavar="image|text|all", rich_help_panel=ASKED,
        help="Remove from the image (regions or patches) or the text (words); may be repeated "
        "(default: all).")] = None,
    protocol: Annotated[Literal["iccv21", "clean"], typer.Option(
        "--protocol", metavar="iccv21|clean", rich_help_panel=ASKED,
        help="iccv21: what the paper's code does. clean: even steps, seeded ties, a random control.")]
    = "iccv21",
    control: Annotated[bool | None, typer.Option(
        "--control/--no-control", rich_help_panel=ASKED, help="Add the method 'random' (default: in 'clean').")] = None,
    steps: Annotated[str | None, typer.Option(
        "--steps", rich_help_panel=ASKED, metavar="SHARES",
        help="Other shares to remove than the protocol's, such as 0,0.5,1.")] = None,
    num_samples: Annotated[int | None, typer.Option(
        "--num-samples", "-n", metavar="N", rich_help_panel=ASKED, min=1,
        help="This many, drawn by --seed (default: all of --data, 200 scenes).")] = None,
    seed: Annotated[int, typer.Option(
        "--seed", metavar="N", rich_help_panel=ASKED, min=0,
        help="Of the order of samples, and of everything random. The default is the reference's.",
    )] = 1234,
    model: ModelName = None,
    revision: Revision = None,
    regions: Regions = None,
    features: Features = None,
    answers: Answers = None,
    processor: Processor = None,
    cache: Annotated[Path | None, typer.Option(
        "--cache", rich_help_panel=REGIONS, metavar="DIR",
        help="Where region features are kept between runs (default: ~/.cache/mmx).")] = None,
    no_cache: Annotated[bool, typer.Option(
        "--no-cache", rich_help_panel=REGIONS, help="Keep no region features.")] = False,
    batch_size: Annotated[int | None, typer.Option(
        "--batch-size", metavar="N", rich_help_panel=MACHINE, min=1,
        help="Samples that are explained at once (default: as many as fit in 2 GiB, or in a "
        "quarter of the GPU).")] = None,
    out: Out = Path("mmx-perturb"),
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
    """Follow a model's accuracy as words, regions or patches are removed in the order of their relevance.

    Of a model that writes its answers: the log-probability of its own answer, and, where --data or --annotations say
    what is right, the accuracy of what it then writes. Of a prompt the question's words are removed, and the patches
    behind image tokens.

    Writes a line for each sample, summary.json, summary.csv and the curves (PNG and PDF) into --out; a run that was
    killed goes on with --resume, and 'torchrun --nproc-per-node N -m mmx perturb ...' shares the samples out. Example:

    mmx perturb --method all --protocol clean --num-samples 200
    """
    from mmx.checkpoints.families import check_answers
    from mmx.cli.beforehand import check_choices, check_folder, check_model, read_soon
    from mmx.cli.lazy_imports import without_collector
    from mmx.cli.opening import open_model
    from mmx.cli.reporter import OnTerminal
    from mmx.cli.results import result_folder
    from mmx.datasets.vqa import read_vqa
    from mmx.errors import UsageError
    from mmx.perturbation.protocol import MODALITIES, chosen_names, growing_shares
    from mmx.studies.folders import check_out
    from mmx.studies.world import joined_world

    def read(with_truth: bool) -> None:
        if data is not None:
            read_soon(partial(read_vqa, data, annotations, images, with_truth=with_truth), data, annotations)

    def check(family: "Family", name: str) -> None:
        check_answers(family, name)
        if not family.writes:
            read(with_truth=True)

    check_out(out, resume=resume, overwrite=overwrite)
    names, shares = method or ["relevance"], _shares(steps)
    check_choices(names, device, dtype)
    chosen_names("modality", modality or (), MODALITIES)
    if shares is not None:
        growing_shares(shares)
    if data is None and (annotations or images or features):
        raise UsageError("--annotations, --images and --features go with --data.", "Give --data FILE as well.")
    if images is not None:
        check_folder(images, "--images")
    read(with_truth=False)
    check_model(model, revision, regions=regions, features=features, answers=answers, processor=processor, check=check)
    with joined_world() as world, result_folder(out):
        from mmx.cli.perturb_tables import print_perturbation
        with without_collector():
            from mmx.studies.perturb.study import perturb as perturbed  # torch comes with it

        loaded = open_model(model, revision, regions, world.device(device), dtype, quiet or not world.leads,
                            features=features, answers=answers, processor=processor)
        study = perturbed(
            loaded, data, annotations=annotations, images=images, methods=names, modalities=modality or ["all"],
            signs=_signs(positive, negative), protocol=protocol, control=control, steps=shares,
            num_samples=num_samples, seed=seed, samples=samples, cache=not no_cache and (cache or True),
            batch_size=batch_size, out=out,
            resume=resume, overwrite=overwrite, progress=OnTerminal(quiet))
    if not world.leads:
        return
    print_perturbation(study.to_dict(), out, as_json)
    if study.document["samples"]["failed"]:
        raise typer.Exit(1)


def _signs(positive: bool, negative: bool) -> tuple[str, ...]:
    both = positive == negative
    return tuple(sign for sign, wanted in (("positive", positive), ("negative", negative)) if wanted or both)


def _shares(text: str | None) -> list[float] | None:
    from mmx.errors import UsageError

    try:
        return None if text is None else [float(step) for step in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--steps '{text}' is no list of shares.", "Write it as 0,0.25,0.5,1.") from error
