"""DINOv2, small and random."""

from pathlib import Path

from transformers import (
    BitImageProcessor,
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersForImageClassification,
)

from tiny.kit import draw_weights


def save_dinov2(folder: Path, config: type, network_class: type, seed: int) -> None:
    """With a processor whose pictures, 16 pixels out of the middle of 18, are smaller than the config says: 20."""
    names = {0: "cat", 1: "dog", 2: "red circle"}
    network = network_class(config(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, mlp_ratio=2, image_size=20, patch_size=4,
        id2label=names, label2id={name: i for i, name in names.items()}))
    draw_weights(network, seed)
    network.save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": 18}, do_center_crop=True, crop_size={"height": 16, "width": 16}
                      ).save_pretrained(folder)


def tiny_dinov2(folder: Path) -> None:
    """A random DINOv2 with three classes, whose processor crops to 4 x 4 of its 5 x 5 patches."""
    save_dinov2(folder, Dinov2Config, Dinov2ForImageClassification, seed=13)


def tiny_dinov2_registers(folder: Path) -> None:
    """The same with four registers."""
    save_dinov2(folder, Dinov2WithRegistersConfig, Dinov2WithRegistersForImageClassification, seed=14)
