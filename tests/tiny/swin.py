"""Swin and Swin V2, small and random."""

from pathlib import Path

from transformers import (
    SwinConfig,
    SwinForImageClassification,
    Swinv2Config,
    Swinv2ForImageClassification,
    ViTImageProcessor,
)

from tiny.kit import draw_weights


def save_swin(folder: Path, config: type, network_class: type, seed: int, window: int) -> None:
    """Of pictures of 36 x 44 pixels in 9 x 11 patches, then 5 x 6, then 3 x 3: none of them in whole windows."""
    names = {0: "cat", 1: "dog", 2: "red circle"}
    network = network_class(config(
        image_size=[36, 44], patch_size=4, embed_dim=8, depths=[2, 2, 2], num_heads=[2, 2, 4], window_size=window,
        mlp_ratio=2.0, id2label=names, label2id={name: i for i, name in names.items()}))
    draw_weights(network, seed)
    network.save_pretrained(folder)
    ViTImageProcessor(size={"height": 36, "width": 44}).save_pretrained(folder)


def tiny_swin(folder: Path) -> None:
    """A random Swin with three classes and windows of 3 x 3."""
    save_swin(folder, SwinConfig, SwinForImageClassification, seed=16, window=3)


def tiny_swinv2(folder: Path) -> None:
    """A random Swin V2 with three classes and windows of 4 x 4, and 2 x 2 in the last stage."""
    save_swin(folder, Swinv2Config, Swinv2ForImageClassification, seed=17, window=4)
