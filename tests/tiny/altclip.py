"""AltCLIP, small and random."""

from pathlib import Path

from transformers import AltCLIPConfig, AltCLIPModel, CLIPImageProcessor

from tiny.kit import draw_weights, save_roberta_words


def tiny_altclip(folder: Path) -> None:
    """A random AltCLIP with words for a vocabulary, that sees the middle 32 x 32 pixels in 4 x 4 patches."""
    count = save_roberta_words(folder, ["a", "red", "circle", "zebra"], 20)
    tower = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = AltCLIPModel(AltCLIPConfig(
        text_config={**tower, "hidden_size": 16, "vocab_size": count, "max_position_embeddings": 22, "project_dim": 12,
                     "pad_token_id": 1},
        vision_config={**tower, "hidden_size": 24, "image_size": 32, "patch_size": 8}, projection_dim=8))
    draw_weights(network, seed=44)
    network.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
