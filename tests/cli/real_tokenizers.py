"""Tokenizers of the vocabularies that are published, out of the shared folder of real data."""

import gzip
from pathlib import Path

from transformers import BertTokenizer, CLIPTokenizer

MERGES = 49152 - 256 - 2


def write_bert_tokenizer(real: Path, folder: Path) -> None:
    vocabulary = (real / "vocab" / "bert-base-uncased-vocab.txt").read_text().splitlines()
    BertTokenizer(vocab={piece: i for i, piece in enumerate(vocabulary)}).save_pretrained(folder)


def write_clip_tokenizer(real: Path, folder: Path) -> None:
    """OpenAI's own vocabulary: bytes, bytes that end a word, then what merges make."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [*map(chr, shown), *(chr(256 + number) for number in range(256 - len(shown)))]
    lines = gzip.decompress((real / "vocab" / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode().split("\n")
    merges = lines[1:MERGES + 1]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *(line.replace(" ", "") for line in merges),
              "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)},
                  merges=[tuple(line.split()) for line in merges], model_max_length=77).save_pretrained(folder)
