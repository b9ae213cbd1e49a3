"""Qwen3-VL, small and random."""

from pathlib import Path

from transformers import (
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from tiny.generative.kit import decoder, speaker
from tiny.generative.qwen2_5_vl import mark_numbers, qwen_words

TEMPLATE = (
    "{%- set image_count = namespace(value=0) %}\n{%- for message in messages %}\n"
    "    {{- '<|im_start|>' + message.role + '\\n' }}\n    {%- if message.content is string %}\n"
    "        {{- message.content }}\n    {%- else %}\n        {%- for content in message.content %}\n"
    "            {%- if content.type == 'image' or 'image' in content or 'image_url' in content %}\n"
    "                {%- set image_count.value = image_count.value + 1 %}\n"
    "                {%- if add_vision_id %}Picture {{ image_count.value }}: {% endif -%}\n"
    "                <|vision_start|><|image_pad|><|vision_end|>\n            {%- elif 'text' in content %}\n"
    "                {{- content.text }}\n            {%- endif %}\n        {%- endfor %}\n    {%- endif %}\n"
    "    {{- '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
    "    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n")


def tiny_qwen3_vl(folder: Path) -> None:
    """A random Qwen3-VL, with what two layers of its tower see added to two layers of its language model."""
    words = qwen_words()
    network = speaker(Qwen3VLForConditionalGeneration, Qwen3VLConfig(
        vision_config={"depth": 3, "hidden_size": 32, "num_heads": 2, "intermediate_size": 32, "out_hidden_size": 32,
                       "patch_size": 4, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]},
        text_config=decoder(words, head_dim=8, rope_parameters={
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1], "mrope_interleaved": True}),
        **mark_numbers(words)), words, seed=143)
    network.save_pretrained(folder)
    sizes = {"patch_size": 4, "size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 48}}
    Qwen3VLProcessor(Qwen2VLImageProcessor(**sizes), words, Qwen3VLVideoProcessor(**sizes),
                     chat_template=TEMPLATE).save_pretrained(folder)
