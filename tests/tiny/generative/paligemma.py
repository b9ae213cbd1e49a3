"""PaliGemma, small and random: of the first and of the second generation."""

from pathlib import Path
from typing import Any

from transformers import (
    GemmaTokenizer,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipImageProcessor,
)

from tiny.generative.kit import decoder, letters_and_words, speaker


def _save(folder: Path, seed: int, **text: Any) -> None:
    vocab, merges = letters_and_words(["<pad>", "<eos>", "<bos>", "<unk>", "<image>"])
    words = GemmaTokenizer(vocab=vocab, merges=merges, padding_side="left", model_max_length=512,
                           extra_special_tokens={"image_token": "<image>"})
    pictures = SiglipImageProcessor(size={"height": 32, "width": 32}, image_seq_length=16)
    processor = PaliGemmaProcessor(pictures, words)  # tells the tokenizer of places and of parts of pictures
    network = speaker(PaliGemmaForConditionalGeneration, PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", "hidden_size": 24, "num_hidden_layers": 2,
                       "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32, "patch_size": 8,
                       "vision_use_head": False},
        text_config=decoder(words, head_dim=8, **text), image_token_index=words.image_token_id, projection_dim=32,
        hidden_size=32, vocab_size=len(words), pad_token_id=words.pad_token_id, bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id), words, seed)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)


def tiny_paligemma(folder: Path) -> None:
    """A random PaliGemma: SigLIP's tower of 32 x 32 pixels in 4 x 4 patches; its Gemma sees the whole prompt."""
    _save(folder, seed=69, model_type="gemma", num_key_value_heads=1)


def tiny_paligemma_2(folder: Path) -> None:
    """A random PaliGemma 2, with a Gemma 2: every other layer sees 16 tokens, and attention logits are bounded."""
    _save(folder, seed=84, model_type="gemma2", query_pre_attn_scalar=8, sliding_window=16)
