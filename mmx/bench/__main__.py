"""`python -m mmx.bench explain` and `perturb`: print ratios side by side."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mmx.bench.models import Subject

app = typer.Typer(no_args_is_help=True, help="Times taken side by side, as ratios.")


class Published(StrEnum):
    LXMERT = "lxmert"
    VISUAL_BERT = "visual-bert"
    VIT = "vit"
    CLIP = "clip"
    DETR = "detr"


_COUNTS = {Published.LXMERT: (1, 16), Published.VISUAL_BERT: (1, 16), Published.VIT: (1, 16), Published.CLIP: (1, 8),
           Published.DETR: (1, 8, 32)}


@app.callback()
def root() -> None:
    """Times taken side by side, as ratios to the least work that must be done."""


@app.command()
def explain(
    family: Annotated[list[Published] | None, typer.Option(help="May be repeated (default: all).")] = None,
    count: Annotated[list[int] | None, typer.Option(
        help="Samples in a batch; of CLIP texts for one image, of DETR detections in one picture.")] = None,
    method: Annotated[list[str] | None, typer.Option(
        "--method", "-m", help="May be repeated (default: all; for DETR relevance).")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every round runs everything once.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Each method, and all together, on random models of the published sizes, beside the floor."""
    import torch

    from mmx.bench import models
    from mmx.bench.explain import bench_explain
    from mmx.methods import get_method

    torch.set_num_threads(threads)
    build = {Published.LXMERT: models.lxmert_base, Published.VISUAL_BERT: models.visual_bert_base,
             Published.VIT: models.vit_base, Published.CLIP: models.clip_base, Published.DETR: models.detr_resnet_50}
    for name in family or list(Published):
        wanted = method or (["relevance"] if name is Published.DETR else [])
        for size in count or _COUNTS[name]:
            bench_explain(_on(device, build[name](size)), rounds, device, tuple(get_method(one) for one in wanted))


@app.command()
def perturb(
    family: Annotated[list[Published] | None, typer.Option(help="May be repeated (default: both).")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Samples that all methods are tested on.")] = 4,
    protocol: Annotated[str, typer.Option(help="iccv21 or clean.")] = "iccv21",
    at_once: Annotated[list[int] | None, typer.Option(
        min=1, help="Rows of the plain forwards that set the aim; may be repeated (default: 4, 16 and 64; on a GPU "
        "64, 256 and 1024).")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every round runs everything once.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """All methods, signs and modalities of the perturbation test, beside the same work done one at a time."""
    import torch

    from mmx.bench import models
    from mmx.bench.perturb import bench_perturb

    torch.set_num_threads(threads)
    build = {Published.LXMERT: models.lxmert_base, Published.VISUAL_BERT: models.visual_bert_base}
    usual = [64, 256, 1024] if device.startswith("cuda") else [4, 16, 64]
    for name in family or list(build):
        if name not in build:
            raise typer.BadParameter(f"{name} answers no questions; there are {', '.join(build)}.")
        bench_perturb(_on(device, build[name](samples)), rounds, device, protocol, at_once or usual)


def _on(device: str, subject: "Subject") -> "Subject":
    from torch import nn

    nn.Module.to(subject.model.network, device)
    subject.inputs.update({key: value.to(device) for key, value in subject.inputs.items()})
    return subject


if __name__ == "__main__":
    app()
