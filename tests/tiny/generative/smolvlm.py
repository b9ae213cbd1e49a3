"""SmolVLM 2, small and random."""

import json
from pathlib import Path

from transformers import GPT2Tokenizer, SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessor

from tiny.generative.kit import bytes_and_words, decoder, speaker

TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")

_NAMED = {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>",
          "global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>"}


def smol_words() -> GPT2Tokenizer:
    """SmolLM2's tokenizer, with what stands for a picture, its tiles and their places."""
    places = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    vocab, merges = bytes_and_words(["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_NAMED.values(), *places])
    words = GPT2Tokenizer(vocab=vocab, merges=merges, bos_token="<|im_start|>", eos_token="<end_of_utterance>",
                          pad_token="<|im_end|>", padding_side="left", model_max_length=512,
                          extra_special_tokens=_NAMED)
    words.add_special_tokens({"extra_special_tokens": places}, replace_extra_special_tokens=False)
    return words


def tiny_smolvlm(folder: Path) -> None:
    """A random SmolVLM 2: tiles of 24 x 24 pixels in 6 x 6 patches, four merged to a token, and a Llama."""
    words = smol_words()
    network = speaker(SmolVLMForConditionalGeneration, SmolVLMConfig(
        vision_config={"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
                       "image_size": 24, "patch_size": 4},
        text_config=decoder(words, model_type="llama"),
        image_token_id=words.image_token_id, pad_token_id=words.pad_token_id, scale_factor=2), words, seed=66)
    network.save_pretrained(folder)
    SmolVLMImageProcessor(size={"longest_edge": 48}, max_image_size={"longest_edge": 24}).save_pretrained(folder)
    words.save_pretrained(folder)
    # The processor itself can be made only where num2words is installed, which pictures have no need of.
    itself = {"image_seq_len": 9, "processor_class": "SmolVLMProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(itself))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
