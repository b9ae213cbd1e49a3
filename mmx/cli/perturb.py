"""`mmx perturb`: how accuracy falls as the most, or the least, relevant words, regions or patches are removed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmx.cli.listing import JsonFlag
from mmx.cli.options import Answers, Debug, Device, Dtype, Features, ModelName, Out, Quiet, Regions, Revision


def perturb(
    data: Annotated[Path | None, typer.Option(
        "--data", metavar="FILE", help="LXMERT's valid.json, VQA's questions with --annotations, or a .csv, .tsv, "
        ".jsonl or .json file with image, question and answer (default: drawn scenes).")] = None,
    annotations: Annotated[Path | None, typer.Option(
        "--annotations", metavar="FILE", help="The answers to VQA's official questions.")] = None,
    images: Annotated[Path | None, typer.Option(
        "--images", metavar="DIR", help="Where the pictures of --data lie; not needed with --features.")] = None,
    method: Annotated[list[str] | None, typer.Option(
        "--method", "-m", help="Method by name, see 'mmx methods'; may be repeated; 'all' for all of them "
        "(default: relevance).")] = None,
    positive: Annotated[bool, typer.Option(
        "--positive", help="Remove the most relevant first (default: this and --negative).")] = False,
    negative: Annotated[bool, typer.Option("--negative", help="Remove the least relevant first.")] = False,
    modality: Annotated[list[str] | None, typer.Option(
        "--modality", help="Remove from the image (regions or patches) or the text (words); may be repeated "
        "(default: all).")] = None,
    protocol: Annotated[Literal["iccv21", "clean"], typer.Option(
        "--protocol", help="iccv21: what the paper's code does. clean: even steps, seeded ties, a random control.")]
    = "iccv21",
    control: Annotated[bool | None, typer.Option(
        "--control/--no-control", help="Add the method 'random' (default: in 'clean').")] = None,
    steps: Annotated[str | None, typer.Option(
        "--steps", metavar="SHARES", help="Other shares to remove than the protocol's, such as 0,0.5,1.")] = None,
    num_samples: Annotated[int | None, typer.Option(
        "--num-samples", "-n", min=1, help="This many, drawn by --seed (default: all of --data, 200 scenes).")] = None,
    seed: Annotated[int, typer.Option(
        "--seed", min=0, help="Of the order of samples, and of everything random. The default is the reference's.",
    )] = 1234,
    model: ModelName = None,
    revision: Revision = None,
    regions: Regions = None,
    features: Features = None,
    answers: Answers = None,
    cache: Annotated[Path | None, typer.Option(
        "--cache", metavar="DIR", help="Where region features are kept between runs (default: ~/.cache/mmx).")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no region features.")] = False,
    batch_size: Annotated[int | None, typer.Option(
        "--batch-size", min=1, help="Samples that are explained at once (default: as many as fit in 2 GiB, or in a "
        "quarter of the GPU).")] = None,
    out: Out = Path("mmx-perturb"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    as_json: JsonFlag = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Follow a model's accuracy as words, regions or patches are removed in the order of their relevance.

    Writes a line for each sample, summary.json, summary.csv and curves.png into --out; a run that was killed goes on
    with --resume, and 'torchrun --nproc-per-node N -m mmx perturb ...' shares the samples out. Example:

    mmx perturb --method all --protocol clean --num-samples 200
    """
    from mmx.cli.opening import open_model
    from mmx.cli.perturb_tables import print_perturbation
    from mmx.cli.reporter import OnTerminal
    from mmx.cli.results import result_folder
    from mmx.errors import UsageError
    from mmx.methods import named_methods
    from mmx.studies.perturb.study import perturb as perturbed
    from mmx.studies.world import joined_world

    names, shares = method or ["relevance"], _shares(steps)
    named_methods(names)  # a wrong name is said before a model is loaded
    if data is None and (annotations or images or features):
        raise UsageError("--annotations, --images and --features go with --data.", "Give --data FILE as well.")
    with joined_world() as world, result_folder(out):
        loaded = open_model(model, revision, regions, world.device(device), dtype, quiet or not world.leads,
                            features=features, answers=answers)
        study = perturbed(
            loaded, data, annotations=annotations, images=images, methods=names, modalities=modality or ["all"],
            signs=_signs(positive, negative), protocol=protocol, control=control, steps=shares,
            num_samples=num_samples, seed=seed, cache=not no_cache and (cache or True), batch_size=batch_size, out=out,
            resume=resume, progress=OnTerminal(quiet))
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
