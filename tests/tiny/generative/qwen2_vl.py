"""Qwen2-VL, small and random."""

from pathlib import Path

from transformers import (
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from tiny.generative.kit import decoder, speaker
from tiny.generative.qwen2_5_vl import TEMPLATE, mark_numbers, qwen_words


def tiny_qwen2_vl(folder: Path) -> None:
    """A random Qwen2-VL: a tower of as many patches as the picture has, four merged to a token."""
    words = qwen_words()
    network = speaker(Qwen2VLForConditionalGeneration, Qwen2VLConfig(
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2,
                       "patch_size": 4},
        text_config=decoder(words, rope_parameters={
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 2, 1]}),
        **mark_numbers(words)), words, seed=65)
    network.save_pretrained(folder)
    sizes = {"patch_size": 4, "size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 48}}
    Qwen2VLProcessor(Qwen2VLImageProcessor(**sizes), words, Qwen2VLVideoProcessor(**sizes),
                     chat_template=TEMPLATE).save_pretrained(folder)
