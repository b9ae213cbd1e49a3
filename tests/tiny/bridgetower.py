"""BridgeTower, small and random."""

from pathlib import Path

from transformers import BridgeTowerConfig, BridgeTowerForImageAndTextRetrieval, BridgeTowerImageProcessor

from tiny.kit import draw_weights, save_roberta_words


def tiny_bridgetower(folder: Path) -> None:
    """A random BridgeTower of three layers, two of which meet, that sees the middle 32 x 32 pixels in 4 x 4 patches."""
    count = save_roberta_words(folder, ["a", "red", "circle", "zebra"], 20)
    network = BridgeTowerForImageAndTextRetrieval(BridgeTowerConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        text_config={"vocab_size": count, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
                     "intermediate_size": 24, "max_position_embeddings": 22, "pad_token_id": 1},
        vision_config={"hidden_size": 128, "num_hidden_layers": 3, "image_size": 32, "patch_size": 8}))
    draw_weights(network, seed=50)
    network.save_pretrained(folder)
    BridgeTowerImageProcessor(size={"shortest_edge": 32}, crop_size={"shortest_edge": 32}, size_divisor=8,
                              do_center_crop=True).save_pretrained(folder)
