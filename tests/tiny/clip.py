"""CLIP, small and random."""

import string
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer


def save_letters(folder: Path, length: int) -> int:
    """CLIP's tokenizer with letters and a few merges for a vocabulary; how many tokens it knows."""
    merges = [("r", "e"), ("re", "d</w>"), ("c", "i"), ("r", "c"), ("l", "e</w>"), ("ci", "rc")]
    pieces = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase), "'", "'</w>",
              *("".join(pair) for pair in merges), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges,
                  model_max_length=length).save_pretrained(folder)
    return len(pieces)


def tiny_clip(folder: Path) -> None:
    """A random CLIP with letters and a few merges for a vocabulary, that sees the middle 32 x 32 pixels in 4 x 4."""
    count = save_letters(folder, 16)
    tower = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24, "initializer_range": 0.5,
             "initializer_factor": 4.0}
    torch.manual_seed(4)
    config = CLIPConfig(
        text_config={**tower, "hidden_size": 16, "vocab_size": count, "max_position_embeddings": 16,
                     "bos_token_id": count - 2, "eos_token_id": count - 1, "pad_token_id": count - 1},
        vision_config={**tower, "hidden_size": 24, "image_size": 32, "patch_size": 8}, projection_dim=8,
        initializer_factor=4.0)
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
