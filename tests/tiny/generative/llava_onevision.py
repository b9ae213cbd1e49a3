"""LLaVA-OneVision, small and random."""

from pathlib import Path

from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
)

from tiny.generative.kit import decoder, speaker
from tiny.generative.qwen2_5_vl import qwen_words

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + ' '}}{# Render all images first #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{# Render all video then #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'video') %}{{ '<video>' }}{% endfor %}"
    "{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + content['text'] }}"
    "{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ '\n' + content['text'] }}{% endgeneration %}{% endfor %}{% endif %}{{'<|im_end|>'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def tiny_llava_onevision(folder: Path) -> None:
    """A random LLaVA-OneVision: SigLIP's tower of tiles of 24 x 24 pixels in 4 x 4 patches, and a Qwen2."""
    words = qwen_words(["<|im_start|>", "<|im_end|>", "<image>", "<video>"])
    grids, size = [[24, 24], [24, 48], [48, 24], [48, 48], [24, 72], [72, 24]], {"height": 24, "width": 24}
    image, video = words.convert_tokens_to_ids(["<image>", "<video>"])
    network = speaker(LlavaOnevisionForConditionalGeneration, LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", "hidden_size": 24, "num_hidden_layers": 2,
                       "num_attention_heads": 2, "intermediate_size": 32, "image_size": 24, "patch_size": 6,
                       "vision_use_head": False},
        text_config=decoder(words, model_type="qwen2"), image_token_index=image, video_token_index=video,
        image_grid_pinpoints=grids), words, seed=91)
    network.save_pretrained(folder)
    LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=grids), words,
        LlavaOnevisionVideoProcessor(size=size), num_image_tokens=16, vision_feature_select_strategy="full",
        chat_template=TEMPLATE).save_pretrained(folder)
