"""DETR, small and random."""

from pathlib import Path

import torch
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig


def tiny_detr(folder: Path) -> None:
    """A random DETR with eight queries, three classes, two layers on each side and a processor of its own."""
    torch.manual_seed(2)
    names = {0: "cat", 1: "dog", 2: "red circle"}
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                            out_features=["stage2"])
    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=16,
        encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=8, id2label=names, label2id={name: i for i, name in names.items()},
        init_std=0.5)
    network = DetrForObjectDetection(config)
    with torch.no_grad():  # queries that differ, and find different things
        network.model.query_position_embeddings.weight.normal_(0, 3)
        network.class_labels_classifier.weight.normal_(0, 1)
        network.class_labels_classifier.bias.zero_()
    network.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 24, "longest_edge": 48}).save_pretrained(folder)
