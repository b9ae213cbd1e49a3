"""`mmx perturb`: how accuracy falls as the most, or the least, relevant words and regions are removed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmx.cli.listing import JsonFlag
from mmx.cli.options import Answers, Debug, Device, Dtype, Features, ModelName, Out, Quiet, Regions, Revision

_MODALITIES = ("image", "text")


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
        "--modality", help="Remove from the image (regions) or the text (words); may be repeated (default: all).",
    )] = None,
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
    """Follow a model's accuracy as words or regions are removed in the order of their relevance.

    Writes a line for each sample, summary.json and curves.png into --out; a run that was killed goes on with --resume,
    and 'torchrun --nproc-per-node N -m mmx perturb ...' shares the samples out. Example:

    mmx perturb --method all --protocol clean --num-samples 200
    """
    from mmx.cli.perturb_run import Options, run_perturbation
    from mmx.cli.perturb_tables import print_perturbation
    from mmx.cli.results import result_folder
    from mmx.studies.runs import joined_world

    asked = Options(data, annotations, images, features, answers, tuple(method or ["relevance"]),
                  _signs(positive, negative), _modalities(modality), protocol, control, steps, num_samples, seed,
                  None if no_cache else cache, no_cache, batch_size)
    with joined_world() as world, result_folder(out):
        summary = run_perturbation(asked, model, revision, regions, device, dtype, out, resume, world, quiet)
    if summary is None:
        return
    print_perturbation(summary, out, as_json)
    if summary["samples"]["failed"]:
        raise typer.Exit(1)


def _signs(positive: bool, negative: bool) -> tuple[str, ...]:
    both = positive == negative
    return tuple(sign for sign, wanted in (("positive", positive), ("negative", negative)) if wanted or both)


def _modalities(names: list[str] | None) -> tuple[str, ...]:
    from mmx.registry import unknown_name

    wanted = set(names or ["all"])
    for name in wanted - {*_MODALITIES, "all"}:
        raise unknown_name("modality", name, [*_MODALITIES, "all"])
    return tuple(name for name in _MODALITIES if name in wanted or "all" in wanted)
