"""Gemma 3, small and random."""

from pathlib import Path

from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    GemmaTokenizer,
)

from tiny.generative.kit import decoder, letters_and_words, speaker

TEMPLATE = (
    "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n"
    "    {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}\n"
    "    {%- set loop_messages = messages[1:] -%}\n{%- else -%}\n    {%- set first_user_prefix = '' -%}\n"
    "    {%- set loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n"
    "    {%- if (message['role'] == 'assistant') -%}\n        {%- set role = 'model' -%}\n    {%- else -%}\n"
    "        {%- set role = message['role'] -%}\n    {%- endif -%}\n"
    "    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}\n"
    "    {%- if message['content'] is string -%}\n        {{ message['content'] | trim }}\n    {%- else -%}\n"
    "        {%- for item in message['content'] -%}\n            {%- if item['type'] == 'image' -%}\n"
    "                {{ '<start_of_image>' }}\n            {%- elif item['type'] == 'text' -%}\n"
    "                {{ item['text'] | trim }}\n            {%- endif -%}\n        {%- endfor -%}\n    {%- endif -%}\n"
    "    {{ '<end_of_turn>\n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}\n"
    "    {{'<start_of_turn>model\n'}}\n{%- endif -%}\n")

_NAMED = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}


def tiny_gemma3(folder: Path) -> None:
    """A random Gemma 3: SigLIP's tower of 32 x 32 pixels in 8 x 8 patches, and two of three layers see 16 tokens."""
    vocab, merges = letters_and_words(["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>",
                                       *_NAMED.values()])
    words = GemmaTokenizer(vocab=vocab, merges=merges, add_bos_token=True, padding_side="left", model_max_length=512,
                           extra_special_tokens=_NAMED)
    words.add_special_tokens({"additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"]})
    turn = words.convert_tokens_to_ids("<end_of_turn>")
    network = speaker(Gemma3ForConditionalGeneration, Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", "hidden_size": 24, "num_hidden_layers": 2,
                       "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32, "patch_size": 4,
                       "vision_use_head": False},
        text_config=decoder(words, head_dim=8, query_pre_attn_scalar=8, sliding_window=16,
                            layer_types=["sliding_attention", "sliding_attention", "full_attention"]),
        mm_tokens_per_image=16, image_token_index=words.image_token_id, boi_token_index=words.boi_token_id,
        eoi_token_index=words.eoi_token_id, eos_token_id=[words.eos_token_id, turn],
        pad_token_id=words.pad_token_id, bos_token_id=words.bos_token_id), words, seed=82)
    network.save_pretrained(folder)
    pictures = Gemma3ImageProcessor(size={"height": 32, "width": 32})
    Gemma3Processor(pictures, words, chat_template=TEMPLATE, image_seq_length=16).save_pretrained(folder)
