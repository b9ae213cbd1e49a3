"""`python -m mmx.shapes.train NAME`: trains one of the shipped checkpoints again, into mmx/weights/NAME or --out."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mmx.checkpoints.catalog import WEIGHTS


class Trainable(StrEnum):
    REGIONS = "shapes-regions"
    LXMERT = "shapes-lxmert"
    VISUAL_BERT = "shapes-visual-bert"
    DETR = "shapes-detr"
    VIT = "shapes-vit"
    CLIP = "shapes-clip"
    VLM = "shapes-vlm"


def train(
    name: Annotated[Trainable, typer.Argument(help="Which checkpoint; most need shapes-regions first.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write (default: the one that ships).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the weights and of the scenes.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps (default: what the shipped one took).")] = None,
    start: Annotated[Path | None, typer.Option(
        help="A checkpoint folder to go on from; of shapes-clip, the shapes-vit that it begins as, of shapes-vlm, also "
        "the shapes-clip. Not for shapes-regions and shapes-detr.")] = None,
    peak_lr: Annotated[float | None, typer.Option(
        help="The peak learning rate. Not for shapes-regions and shapes-detr.")] = None,
    scenes: Annotated[int | None, typer.Option(help="Question answering: scenes that are asked about.")] = None,
    threads: Annotated[int | None, typer.Option(
        help="CPU threads (default: 2 for shapes-regions, 1 for the others, whose tensors are small).")] = None,
) -> None:
    """Train a shipped checkpoint on scenes that mmx draws."""
    import torch

    torch.set_num_threads(threads or (2 if name is Trainable.REGIONS else 1))
    folder = out or WEIGHTS / name.value
    given: dict[str, Any] = {} if steps is None else {"steps": steps}
    going_on: dict[str, Any] = {
        key: value for key, value in (("start", start), ("peak_lr", peak_lr)) if value is not None}
    if going_on and name in (Trainable.REGIONS, Trainable.DETR):
        raise typer.BadParameter(f"{name.value} is always trained from nothing, by one schedule.")
    if name is Trainable.REGIONS:
        from mmx.shapes.train.regions import train_regions

        train_regions(folder, seed=seed, **given)
    elif name is Trainable.DETR:
        from mmx.shapes.train.detr import train_detr

        train_detr(folder, seed=seed, **given)
    elif name is Trainable.VIT:
        from mmx.shapes.train.vit import train_vit

        train_vit(folder, seed=seed, **given, **going_on)
    elif name is Trainable.CLIP:
        from mmx.shapes.train.clip import train_clip

        train_clip(folder, seed=seed, **given, **going_on)
    elif name is Trainable.VLM:
        from mmx.shapes.train.vlm import train_vlm

        train_vlm(folder, seed=seed, **given, **going_on)
    else:
        from mmx.shapes.train.vqa import train_vqa

        given |= {} if scenes is None else {"scenes": scenes}
        train_vqa("lxmert" if name is Trainable.LXMERT else "visual_bert", folder, seed=seed, **given, **going_on)


if __name__ == "__main__":
    typer.run(train)
