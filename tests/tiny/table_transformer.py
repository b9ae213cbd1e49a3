"""Table Transformer, small and random."""

from pathlib import Path

from transformers import DetrImageProcessor, ResNetConfig, TableTransformerConfig, TableTransformerForObjectDetection

from tiny.kit import draw_weights


def tiny_table_transformer(folder: Path) -> None:
    """A random Table Transformer with six queries and two classes, two layers on each side."""
    names = {0: "table", 1: "table rotated"}
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                            out_features=["stage2"])
    network = TableTransformerForObjectDetection(TableTransformerConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=16,
        encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=6, id2label=names, label2id={name: i for i, name in names.items()}))
    draw_weights(network, seed=32)
    network.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 24, "longest_edge": 48}).save_pretrained(folder)
