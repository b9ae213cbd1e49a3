"""DETR with a head for masks, small and random."""

from pathlib import Path

from transformers import DetrConfig, DetrForSegmentation, DetrImageProcessor, ResNetConfig

from tiny.kit import draw_weights


def tiny_detr_segmentation(folder: Path) -> None:
    """A random DETR for panoptic segmentation with six queries and three classes, two layers on each side."""
    names = {0: "cat", 1: "dog", 2: "red circle"}
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1], layer_type="basic",
                            out_features=["stage1", "stage2", "stage3", "stage4"])
    network = DetrForSegmentation(DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=32,
        encoder_layers=2, decoder_layers=2, encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=6, id2label=names, label2id={name: i for i, name in names.items()}))
    draw_weights(network, seed=33)
    network.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 96, "longest_edge": 160}).save_pretrained(folder)
