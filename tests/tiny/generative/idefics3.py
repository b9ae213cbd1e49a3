"""Idefics3, small and random; the first SmolVLM is of its class."""

from pathlib import Path

from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor, Idefics3Processor

from tiny.generative.kit import decoder, speaker
from tiny.generative.smolvlm import TEMPLATE, smol_words


def tiny_idefics3(folder: Path) -> None:
    """A random Idefics3: tiles of 24 x 24 pixels in 6 x 6 patches, nine merged to a token, and a Llama."""
    words = smol_words()
    network = speaker(Idefics3ForConditionalGeneration, Idefics3Config(
        vision_config={"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
                       "image_size": 24, "patch_size": 4},
        text_config=decoder(words, model_type="llama"), image_token_id=words.image_token_id,
        pad_token_id=words.pad_token_id, scale_factor=3), words, seed=181)
    network.save_pretrained(folder)
    pictures = Idefics3ImageProcessor(size={"longest_edge": 48}, max_image_size={"longest_edge": 24})
    Idefics3Processor(pictures, words, image_seq_len=4, chat_template=TEMPLATE).save_pretrained(folder)
