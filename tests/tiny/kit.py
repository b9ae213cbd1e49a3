"""What small random checkpoints are made of."""

from pathlib import Path

import torch
from torch import nn
from transformers import BertTokenizer


def draw_weights(network: nn.Module, seed: int, gain: float = 2.0) -> None:
    """Every weight anew, those included that are zero at the start: so wide that attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            noise = torch.randn(weights.shape, generator=generator)
            if weights.dim() > 1:
                weights.copy_(noise * gain / weights[0].numel() ** 0.5)
            else:
                weights.add_(0.2 * noise)


def save_words(folder: Path, words: list[str]) -> int:
    """A BERT tokenizer of these words; how many tokens it knows."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", *words]
    BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=20).save_pretrained(folder)
    return len(pieces)
