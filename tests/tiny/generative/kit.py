"""What small random checkpoints of generative vision-language classes share: their words, and what they may say."""

import string
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tiny.kit import draw_weights

ANSWERS = ("red blue green yellow black white circle square one two three yes no left right a the and of is in there "
           "picture image")
QUESTIONS = "what color shape are an or it on to this how many largest"
ROLES = "user assistant User Assistant USER ASSISTANT system model You helpful"

Pieces = tuple[dict[str, int], list[tuple[str, str]]]
"""A vocabulary and its merges."""


def _bpe(first: list[str], letters: list[str], mark: str) -> Pieces:
    """Every word one piece, after a space (the mark) and without; what else is written falls into letters."""
    merges = []
    words = sorted(f"{ANSWERS} {QUESTIONS} {ROLES}".split(), key=len, reverse=True)
    for start in (mark, ""):
        for word in words:
            merges += [(start + word[:i], word[i]) for i in range(0 if start else 1, len(word))]
    merges = list(dict.fromkeys(merges))
    pieces = dict.fromkeys([*first, *letters, *("".join(pair) for pair in merges)])
    return {piece: i for i, piece in enumerate(pieces)}, merges


def bytes_and_words(first: list[str]) -> Pieces:
    """As GPT-2 and Qwen2 write: bytes, and a space is part of the word after it."""
    return _bpe(first, sorted(pre_tokenizers.ByteLevel.alphabet()), "\u0120")


def letters_and_words(first: list[str]) -> Pieces:
    """As Llama and Gemma write: characters, bytes for those unknown, and a space is a mark before a word."""
    known = [*(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "\n", *string.ascii_letters, *string.digits,
             *string.punctuation]
    return _bpe(first, known, "\u2581")


def decoder(words: PreTrainedTokenizerBase, **more: Any) -> dict[str, Any]:
    """Settings of a language model with half as many key heads as heads."""
    return {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
            "intermediate_size": 48, "vocab_size": len(words), "max_position_embeddings": 512,
            "pad_token_id": words.pad_token_id, "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id, **more}


def speaker(network_class: type[PreTrainedModel], config: PreTrainedConfig, words: PreTrainedTokenizerBase,
            seed: int) -> Any:
    """A random network that answers in words, never writing what stands for a picture."""
    torch.manual_seed(seed)  # some weights are added to
    network = network_class(config)
    draw_weights(network, seed)
    said = {mark + word for word in ANSWERS.split() for mark in "\u0120\u2581"} | {words.eos_token}
    silent = torch.tensor([number for piece, number in words.get_vocab().items() if piece not in said])
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if name.endswith("q_norm.weight"):  # queries of length one look everywhere alike
                weights += 1.5
        head = network.get_output_embeddings().weight
        head[silent] *= 0.1
        if head is network.get_input_embeddings().weight:  # or else it repeats what it reads
            head *= 0.25
    return network
