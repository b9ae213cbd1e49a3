"""InstructBLIP, small and random."""

from pathlib import Path
from typing import Any

from transformers import (
    BertTokenizer,
    BlipImageProcessor,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    PreTrainedTokenizerBase,
)

from tiny.generative.blip_2 import T5, t5_words
from tiny.generative.kit import ANSWERS, QUESTIONS, decoder, speaker
from tiny.generative.llava import llama_words


def tiny_instructblip(folder: Path) -> None:
    """A random InstructBLIP: six queries that read the question as well as a tower of 4 x 4 patches, and a Llama."""
    words = llama_words()
    _save(folder, words, decoder(words, model_type="llama"), seed=70)


def tiny_instructblip_t5(folder: Path) -> None:
    """The same with a T5, whose encoder reads queries and question, and whose decoder answers."""
    words = t5_words()
    _save(folder, words, T5, seed=259)


def _save(folder: Path, words: PreTrainedTokenizerBase, text: dict[str, Any], seed: int) -> None:
    asked = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", "##s", *f"{ANSWERS} {QUESTIONS}".split()]
    processor = InstructBlipProcessor(
        BlipImageProcessor(size={"height": 32, "width": 32}), words,
        BertTokenizer(vocab={piece: i for i, piece in enumerate(asked)}, model_max_length=64),
        num_query_tokens=6)
    network = speaker(InstructBlipForConditionalGeneration, InstructBlipConfig(
        vision_config={"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
                       "image_size": 32, "patch_size": 8},
        qformer_config={"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
                        "cross_attention_frequency": 2, "encoder_hidden_size": 24, "vocab_size": len(asked),
                        "max_position_embeddings": 64},
        text_config={**text, "vocab_size": len(words)}, num_query_tokens=6,
        image_token_index=words.convert_tokens_to_ids("<image>")),
        words, seed)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
