"""What small random checkpoints are made of."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import BertTokenizer, PreTrainedModel, PreTrainedTokenizerFast, ViTImageProcessor


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


SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
"""A transformer."""
ANIMALS = {"id2label": {0: "cat", 1: "dog", 2: "red circle"}, "label2id": {"cat": 0, "dog": 1, "red circle": 2}}
"""Three classes."""


def save_classifier(folder: Path, network: PreTrainedModel, seed: int) -> None:
    """A classifier with weights anew, that is shown whole pictures of 24 x 24 pixels."""
    draw_weights(network, seed)
    network.save_pretrained(folder)
    ViTImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)


def save_words(folder: Path, words: list[str]) -> int:
    """A BERT tokenizer of these words; how many tokens it knows."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", *words]
    BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=20).save_pretrained(folder)
    return len(pieces)


def save_roberta_words(folder: Path, words: list[str], length: int) -> int:
    """A tokenizer of these words that writes <s> and </s>, numbered as XLM-RoBERTa does; how many tokens it knows."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *words]
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>",
                                                             special_tokens=[("<s>", 0), ("</s>", 2)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
                            unk_token="<unk>", model_max_length=length).save_pretrained(folder)
    return len(pieces)
