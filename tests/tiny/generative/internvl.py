"""InternVL, small and random."""

from pathlib import Path

from transformers import (
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    Qwen2Tokenizer,
)

from tiny.generative.kit import bytes_and_words, decoder, speaker

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}{% if message['content'] is string %}"
    "{{ message['content'] }}{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "{{ '<IMG_CONTEXT>\n' }}{% elif content['type'] == 'video' %}{{ '<video>\n' }}{% elif content['type'] == 'text' %}"
    "{{ content['text'] }}{% endif %}{% endfor %}{% endif %}{{'<|im_end|>\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|im_start|>assistant\n' }}{% endif %}")

_NAMED = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
          "video_token": "<video>"}


def tiny_internvl(folder: Path) -> None:
    """A random InternVL: tiles of 24 x 24 pixels in 6 x 6 patches, four merged to a token, and a Qwen2."""
    vocab, merges = bytes_and_words(["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_NAMED.values()])
    words = Qwen2Tokenizer(vocab=vocab, merges=merges, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                           padding_side="left", model_max_length=512, extra_special_tokens=_NAMED)
    words.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    network = speaker(InternVLForConditionalGeneration, InternVLConfig(
        vision_config={"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
                       "image_size": 24, "patch_size": 4, "attention_bias": True},
        text_config=decoder(words, model_type="qwen2"), image_token_id=words.context_image_token_id,
        image_seq_length=9, tie_word_embeddings=False), words, seed=64)
    network.save_pretrained(folder)
    size = {"height": 24, "width": 24}
    pictures = GotOcr2ImageProcessor(size=size, crop_to_patches=True, min_patches=1, max_patches=4)
    InternVLProcessor(pictures, words, InternVLVideoProcessor(size=size), image_seq_length=9,
                      chat_template=TEMPLATE).save_pretrained(folder)
