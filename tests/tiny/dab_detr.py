"""DAB-DETR, small and random."""

from pathlib import Path

from transformers import ConditionalDetrImageProcessor, DabDetrConfig, DabDetrForObjectDetection, ResNetConfig

from tiny.kit import draw_weights


def tiny_dab_detr(folder: Path) -> None:
    """A random DAB-DETR with six queries and three classes, two layers on each side."""
    names = {0: "cat", 1: "dog", 2: "red circle"}
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                            out_features=["stage2"])
    network = DabDetrForObjectDetection(DabDetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        hidden_size=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=6, id2label=names,
        label2id={name: i for i, name in names.items()}))
    draw_weights(network, seed=34)
    network.save_pretrained(folder)
    ConditionalDetrImageProcessor(size={"shortest_edge": 24, "longest_edge": 48}).save_pretrained(folder)
