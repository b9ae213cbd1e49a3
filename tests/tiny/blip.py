"""BLIP, small and random."""

from pathlib import Path

import torch
from transformers import BlipConfig, BlipForImageTextRetrieval, BlipForQuestionAnswering, BlipImageProcessor

from tiny.kit import draw_weights, save_words


def tiny_blip(folder: Path) -> None:
    """A random BLIP for retrieval that sees 24 x 24 pixels in 3 x 3 patches."""
    count = save_words(folder, ["a", "red", "blue", "circle", "##s", "photo", "of", "zebra"])
    tower = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = BlipForImageTextRetrieval(BlipConfig(
        text_config={**tower, "vocab_size": count, "max_position_embeddings": 20, "encoder_hidden_size": 16,
                     "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3},
        vision_config={**tower, "image_size": 24, "patch_size": 8}, image_text_hidden_size=8))
    draw_weights(network, seed=15)
    network.save_pretrained(folder)
    BlipImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)


def tiny_blip_vqa(folder: Path) -> None:
    """A random BLIP for questions, that writes answers of a few words."""
    count = save_words(folder, ["what", "color", "is", "the", "circle", "##s", "red", "blue", "green", "two"])
    tower = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = BlipForQuestionAnswering(BlipConfig(
        text_config={**tower, "vocab_size": count, "max_position_embeddings": 20, "encoder_hidden_size": 16,
                     "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3},
        vision_config={**tower, "image_size": 24, "patch_size": 8}, image_text_hidden_size=8))
    draw_weights(network, seed=30)
    with torch.no_grad():  # so that it writes some words, and ends
        network.text_decoder.cls.predictions.bias[:5] = -3
        network.text_decoder.cls.predictions.bias[3] = 0.5
    network.save_pretrained(folder)
    BlipImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)
