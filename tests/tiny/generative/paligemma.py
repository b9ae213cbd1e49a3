"""PaliGemma, small and random."""

from pathlib import Path

from transformers import (
    GemmaTokenizer,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipImageProcessor,
)

from tiny.generative.kit import decoder, letters_and_words, speaker


def tiny_paligemma(folder: Path) -> None:
    """A random PaliGemma: SigLIP's tower of 32 x 32 pixels in 4 x 4 patches; its Gemma sees the whole prompt."""
    vocab, merges = letters_and_words(["<pad>", "<eos>", "<bos>", "<unk>", "<image>"])
    words = GemmaTokenizer(vocab=vocab, merges=merges, padding_side="left", model_max_length=512,
                           extra_special_tokens={"image_token": "<image>"})
    pictures = SiglipImageProcessor(size={"height": 32, "width": 32}, image_seq_length=16)
    processor = PaliGemmaProcessor(pictures, words)  # tells the tokenizer of places and of parts of pictures
    network = speaker(PaliGemmaForConditionalGeneration, PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", "hidden_size": 24, "num_hidden_layers": 2,
                       "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32, "patch_size": 8,
                       "vision_use_head": False},
        text_config=decoder(words, model_type="gemma", num_key_value_heads=1, head_dim=8),
        image_token_index=words.image_token_id, projection_dim=32, hidden_size=32, vocab_size=len(words),
        pad_token_id=words.pad_token_id, bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id),
        words, seed=69)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
