"""ViT, small and random."""

from pathlib import Path

import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from tiny.kit import ANIMALS, SMALL, draw_weights


def tiny_vit(folder: Path) -> None:
    """A random ViT with five classes, two of one name, that takes pictures of 24 x 36 pixels in patches of 12."""
    names = {0: "tabby, tabby cat", 1: "crane", 2: "crane", 3: "red circle", 4: "tiger, tabby"}
    torch.manual_seed(3)
    config = ViTConfig(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
                       image_size=[24, 36], patch_size=12, id2label=names,
                       label2id={"tabby, tabby cat": 0, "crane": 2, "red circle": 3, "tiger, tabby": 4},
                       initializer_range=0.5)
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 24, "width": 36}).save_pretrained(folder)


def tiny_vit_resized(folder: Path) -> None:
    """A random ViT for pictures of 24 x 24 pixels with a processor that makes them 40 x 32."""
    network = ViTForImageClassification(ViTConfig(**SMALL, **ANIMALS, image_size=24, patch_size=8))
    draw_weights(network, seed=20)
    network.save_pretrained(folder)
    ViTImageProcessor(size={"height": 40, "width": 32}).save_pretrained(folder)
