"""OWL-ViT and OWLv2, small and random."""

import string
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPTokenizer,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)

from tiny.kit import draw_weights


def save_owl(folder: Path, config: type[PreTrainedConfig], network_class: type[PreTrainedModel], processor: Any,
             seed: int) -> None:
    """With letters and a few merges for a vocabulary, whose padding is "!" with number 0, as published."""
    merges = [("r", "e"), ("re", "d</w>"), ("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>")]
    pieces = ["!", *string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase),
              *("".join(pair) for pair in merges), "<|startoftext|>", "<|endoftext|>"]
    tower = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    torch.manual_seed(seed)  # what is no parameter is made of the config
    network = network_class(config(
        text_config={**tower, "hidden_size": 16, "vocab_size": len(pieces), "max_position_embeddings": 16,
                     "bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": 0},
        vision_config={**tower, "hidden_size": 24, "image_size": 32, "patch_size": 8}, projection_dim=16))
    draw_weights(network, seed)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges, pad_token="!",
                  model_max_length=16).save_pretrained(folder)


def tiny_owlvit(folder: Path) -> None:
    """A random OWL-ViT that sees 32 x 32 pixels in 4 x 4 patches."""
    save_owl(folder, OwlViTConfig, OwlViTForObjectDetection,
             OwlViTImageProcessor(size={"height": 32, "width": 32}), seed=41)


def tiny_owlv2(folder: Path) -> None:
    """A random OWLv2 that sees pictures padded to a square, in 32 x 32 pixels and 4 x 4 patches."""
    save_owl(folder, Owlv2Config, Owlv2ForObjectDetection,
             Owlv2ImageProcessor(size={"height": 32, "width": 32}), seed=42)
