"""YOLOS, small and random."""

from pathlib import Path

import torch
from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

from tiny.kit import draw_weights


def tiny_yolos(folder: Path) -> None:
    """A random YOLOS with six detection tokens, three classes and positions in the middle layers too, patches of 16."""
    names = {0: "cat", 1: "dog", 2: "red circle"}
    network = YolosForObjectDetection(YolosConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, image_size=[48, 64],
        patch_size=16, num_detection_tokens=6, use_mid_position_embeddings=True, id2label=names,
        label2id={name: i for i, name in names.items()}))
    draw_weights(network, seed=21)
    with torch.no_grad():  # tokens that differ, and find different things
        network.vit.embeddings.detection_tokens.normal_(0, 3, generator=torch.Generator().manual_seed(22))
    network.save_pretrained(folder)
    YolosImageProcessor(size={"shortest_edge": 48, "longest_edge": 96}).save_pretrained(folder)
