"""`python -m mmx.bench explain`: prints ratios side by side."""

from enum import StrEnum
from typing import Annotated

import typer

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
            subject = build[name](size)
            subject.network.to(device)
            subject.inputs.update({key: value.to(device) for key, value in subject.inputs.items()})
            bench_explain(subject, rounds, device, tuple(get_method(one) for one in wanted))


if __name__ == "__main__":
    app()
