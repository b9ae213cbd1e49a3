"""AIMv2, small and random."""

from pathlib import Path

from transformers import Aimv2Config, Aimv2Model, CLIPImageProcessor

from tiny.clip import save_letters
from tiny.kit import draw_weights


def tiny_aimv2(folder: Path) -> None:
    """A random AIMv2 with letters for a vocabulary, that sees the middle 32 x 32 pixels in 4 x 4 patches."""
    count = save_letters(folder, 16)
    tower = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = Aimv2Model(Aimv2Config(
        text_config={**tower, "hidden_size": 16, "vocab_size": count, "max_position_embeddings": 16,
                     "eos_token_id": count - 1},
        vision_config={**tower, "hidden_size": 24, "image_size": 32, "patch_size": 8}, projection_dim=8))
    draw_weights(network, seed=49)
    network.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
