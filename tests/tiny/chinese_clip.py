"""Chinese CLIP, small and random."""

from pathlib import Path

from transformers import ChineseCLIPConfig, ChineseCLIPImageProcessor, ChineseCLIPModel

from tiny.kit import draw_weights, save_words


def tiny_chinese_clip(folder: Path) -> None:
    """A random Chinese CLIP with words and signs for a vocabulary, that sees 32 x 32 pixels in 4 x 4 patches."""
    count = save_words(folder, ["a", "red", "circle", "##s", "zebra", "红", "色", "的", "圆"])
    tower = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = ChineseCLIPModel(ChineseCLIPConfig(
        text_config={**tower, "hidden_size": 16, "vocab_size": count, "max_position_embeddings": 20,
                     "pad_token_id": 0}, vision_config={**tower, "hidden_size": 24, "image_size": 32, "patch_size": 8},
        projection_dim=8))
    draw_weights(network, seed=43)
    network.save_pretrained(folder)
    ChineseCLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False).save_pretrained(folder)
