"""MetaCLIP 2, small and random."""

from pathlib import Path

from transformers import CLIPImageProcessor, MetaClip2Config, MetaClip2Model

from tiny.kit import draw_weights, save_roberta_words


def tiny_metaclip_2(folder: Path) -> None:
    """A random MetaCLIP 2 whose end token is number 2, as in XLM-V, which sees the middle 32 x 32 pixels in 4 x 4."""
    count = save_roberta_words(folder, ["a", "red", "circle", "zebra"], 12)
    tower = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = MetaClip2Model(MetaClip2Config(
        text_config={**tower, "hidden_size": 16, "vocab_size": count, "max_position_embeddings": 12,
                     "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2},
        vision_config={**tower, "hidden_size": 24, "image_size": 32, "patch_size": 8}, projection_dim=8))
    draw_weights(network, seed=45)
    network.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
