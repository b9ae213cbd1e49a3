"""Qwen2.5-VL, small and random."""

from pathlib import Path

from transformers import (
    GenerationConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from tiny.generative.kit import bytes_and_words, decoder, speaker

TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}"
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: "
    "{% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: "
    "{% endif %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}"
    "{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")

MARKS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def qwen_words(marks: list[str] = MARKS) -> Qwen2Tokenizer:
    """Qwen2's tokenizer, with these marks beside its words."""
    vocab, merges = bytes_and_words(["<|endoftext|>", *marks])
    return Qwen2Tokenizer(vocab=vocab, merges=merges, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                          padding_side="left", model_max_length=512, extra_special_tokens=marks)


def mark_numbers(words: Qwen2Tokenizer) -> dict[str, int]:
    """Config entries that name tokens."""
    named = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
             "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {entry: words.convert_tokens_to_ids(mark) for entry, mark in named.items()}


def tiny_qwen2_5_vl(folder: Path) -> None:
    """A random Qwen2.5-VL: windows of 4 x 4 patches but for one layer, four patches merged to a token."""
    words = qwen_words()
    network = speaker(Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig(
        vision_config={"depth": 3, "hidden_size": 32, "num_heads": 2, "intermediate_size": 32, "out_hidden_size": 32,
                       "patch_size": 4, "window_size": 16, "fullatt_block_indexes": [1]},
        text_config=decoder(words, rope_parameters={
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 2, 1]}),
        **mark_numbers(words)), words, seed=63)
    # As published: a greedy answer is that of the penalised logits, and two tokens end it.
    network.generation_config = GenerationConfig(
        do_sample=True, temperature=1e-6, repetition_penalty=1.05, bos_token_id=words.pad_token_id,
        pad_token_id=words.pad_token_id, eos_token_id=[words.eos_token_id, words.pad_token_id])
    network.save_pretrained(folder)
    sizes = {"patch_size": 4, "size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 48}}
    Qwen2_5_VLProcessor(Qwen2VLImageProcessor(**sizes), words, Qwen2VLVideoProcessor(**sizes),
                        chat_template=TEMPLATE).save_pretrained(folder)
