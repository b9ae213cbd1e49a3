"""LLaVA 1.5, small and random."""

from pathlib import Path
from typing import Any

from transformers import CLIPImageProcessor, LlamaTokenizer, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

from tiny.generative.kit import decoder, letters_and_words, speaker

TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")


def llama_words(**more: Any) -> LlamaTokenizer:
    """Llama's tokenizer, with what stands for a picture among its pieces."""
    vocab, merges = letters_and_words(["<unk>", "<s>", "</s>", "<pad>", "<image>"])
    return LlamaTokenizer(vocab=vocab, merges=merges, pad_token="<pad>", padding_side="left", model_max_length=512,
                          add_bos_token=True, **more)


def tiny_llava(folder: Path) -> None:
    """A random LLaVA 1.5: CLIP's tower of 32 x 32 pixels in 4 x 4 patches, read before its last layer, and a Llama."""
    words = llama_words(extra_special_tokens={"image_token": "<image>"})
    network = speaker(LlavaForConditionalGeneration, LlavaConfig(
        vision_config={"model_type": "clip_vision_model", "hidden_size": 24, "num_hidden_layers": 3,
                       "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32, "patch_size": 8,
                       "projection_dim": 16},
        text_config=decoder(words, model_type="llama"),
        image_token_index=words.image_token_id, image_seq_length=16), words, seed=101)
    network.save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    LlavaProcessor(pictures, words, patch_size=8, vision_feature_select_strategy="default", chat_template=TEMPLATE,
                   num_additional_image_tokens=1).save_pretrained(folder)
