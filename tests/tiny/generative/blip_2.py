"""BLIP-2, small and random: with an OPT, and with a T5 that reads before it writes."""

from pathlib import Path
from typing import Any

from tokenizers import processors
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipImageProcessor,
    GPT2Tokenizer,
    PreTrainedTokenizerBase,
    T5Tokenizer,
)

from tiny.generative.kit import ANSWERS, QUESTIONS, bytes_and_words, decoder, speaker

_TOWER = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
          "image_size": 32, "patch_size": 8}
_QUERIES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
            "cross_attention_frequency": 2, "encoder_hidden_size": 24}


def _save(folder: Path, words: PreTrainedTokenizerBase, text: dict[str, Any], seed: int) -> None:
    processor = Blip2Processor(BlipImageProcessor(size={"height": 32, "width": 32}), words, num_query_tokens=6)
    network = speaker(Blip2ForConditionalGeneration, Blip2Config(
        vision_config=_TOWER, qformer_config=_QUERIES, text_config={**text, "vocab_size": len(words)},
        num_query_tokens=6, image_token_index=words.convert_tokens_to_ids("<image>"), image_text_hidden_size=16),
        words, seed)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)


def tiny_blip_2(folder: Path) -> None:
    """A random BLIP-2: a tower of 32 x 32 pixels in 4 x 4 patches, six queries of it, and an OPT."""
    vocab, merges = bytes_and_words(["<s>", "<pad>", "</s>", "<unk>"])
    words = GPT2Tokenizer(vocab=vocab, merges=merges, bos_token="</s>", eos_token="</s>", unk_token="</s>",
                          pad_token="<pad>", padding_side="left", model_max_length=512)
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", words.eos_token_id)])
    _save(folder, words, decoder(words, model_type="opt", ffn_dim=48, word_embed_proj_dim=32), seed=62)


def t5_words() -> T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *"?.,", *"abcdefghijklmnopqrstuvwxyz",
              *(f"\u2581{word}" for word in f"{ANSWERS} {QUESTIONS}".split())]
    return T5Tokenizer(vocab=[(piece, -1.0 - (len(piece) < 2)) for piece in dict.fromkeys(pieces)], extra_ids=0,
                       model_max_length=512)


T5 = {"model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2,
      "num_heads": 4, "feed_forward_proj": "gated-gelu", "pad_token_id": 0, "eos_token_id": 1,
      "decoder_start_token_id": 0, "tie_word_embeddings": False}


def tiny_blip_2_t5(folder: Path) -> None:
    """A random BLIP-2 whose language model is a T5: the encoder reads queries and question, the decoder answers."""
    _save(folder, t5_words(), T5, seed=259)
