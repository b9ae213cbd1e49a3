"""LLaVA-NeXT (1.6), small and random."""

from pathlib import Path

from transformers import (
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
)

from tiny.generative.kit import decoder, speaker
from tiny.generative.llava import llama_words

TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ '<<SYS>>\n' + message['content'][0]['text'] + '\n<</SYS>>\n\n' }}{% elif message['role'] == 'user' %}"
    "{{ '[INST] ' }}{# Render all images first #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{# Render all text next #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'][0]['text'] + '</s> ' }}"
    "{% endif %}{% endfor %}")


def tiny_llava_next(folder: Path) -> None:
    """A random LLaVA-NeXT: CLIP's tower of tiles of 24 x 24 pixels in 4 x 4 patches, and a Mistral."""
    words = llama_words(extra_special_tokens={"image_token": "<image>"})
    grids = [[24, 48], [48, 24], [48, 48], [24, 72], [72, 24]]
    network = speaker(LlavaNextForConditionalGeneration, LlavaNextConfig(
        vision_config={"model_type": "clip_vision_model", "hidden_size": 24, "num_hidden_layers": 3,
                       "num_attention_heads": 2, "intermediate_size": 32, "image_size": 24, "patch_size": 6,
                       "projection_dim": 16},
        text_config=decoder(words, model_type="mistral", sliding_window=None),
        image_token_index=words.image_token_id, image_seq_length=16, image_grid_pinpoints=grids), words, seed=136)
    network.save_pretrained(folder)
    pictures = LlavaNextImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24},
                                       image_grid_pinpoints=grids)
    LlavaNextProcessor(pictures, words, patch_size=6, vision_feature_select_strategy="default", chat_template=TEMPLATE,
                       num_additional_image_tokens=1).save_pretrained(folder)
