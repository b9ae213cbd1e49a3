"""DeiT with a distillation token, small and random."""

from pathlib import Path

from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    DeiTForImageClassificationWithTeacher,
    DeiTImageProcessor,
)

from tiny.kit import ANIMALS, SMALL, draw_weights


def save_deit(folder: Path, network_class: type, seed: int) -> None:
    """With a processor that takes 24 x 24 pixels out of the middle of 28 x 28."""
    network = network_class(DeiTConfig(**SMALL, **ANIMALS, image_size=24, patch_size=8))
    draw_weights(network, seed)
    network.save_pretrained(folder)
    DeiTImageProcessor(size={"height": 28, "width": 28}, crop_size={"height": 24, "width": 24}).save_pretrained(folder)


def tiny_deit(folder: Path) -> None:
    """A random DeiT with three classes, whose one head reads [CLS]."""
    save_deit(folder, DeiTForImageClassification, seed=21)


def tiny_deit_distilled(folder: Path) -> None:
    """The same with two heads, one on the distillation token."""
    save_deit(folder, DeiTForImageClassificationWithTeacher, seed=22)
