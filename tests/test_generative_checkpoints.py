"""The small random checkpoints that write answers (tests/tiny/generative) work in transformers as published ones do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image
from tiny import tiny_names
from transformers import AutoConfig, AutoProcessor, BatchFeature, PreTrainedModel, ProcessorMixin

IMAGE_TOKENS = {"tiny_llava": 4 * 4, "tiny_qwen2_5_vl": 5 * 8, "tiny_smolvlm": (2 * 2 + 1) * 3 * 3}
"""Of a picture 60 pixels wide and 40 high, counted by hand."""
CHAT = {
    "tiny_llava": "USER: <image>\nwhat color is the circle? ASSISTANT:",
    "tiny_qwen2_5_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|image_pad|><|vision_end|>what color is the circle?<|im_end|>\n<|im_start|>assistant\n",
    "tiny_smolvlm": "<|im_start|>User:<image>what color is the circle?<end_of_utterance>\nAssistant:"}

Loaded = tuple[PreTrainedModel, ProcessorMixin]
NAMES = [name for name, file in tiny_names().items() if file.startswith("generative.")]


@pytest.fixture
def load(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Loaded]:
    # Asked for by SmolVLM's processor before it is made, and called for videos alone.
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", str)

    def loaded(name: str) -> Loaded:
        folder: Path = request.getfixturevalue(name)
        [architecture] = AutoConfig.from_pretrained(folder).architectures
        network, found = getattr(transformers, architecture).from_pretrained(folder, output_loading_info=True)
        assert not any(found.values()), "weights that are missing, or that nobody reads"
        return network.eval(), AutoProcessor.from_pretrained(folder)

    return loaded


def prompt(name: str, processor: ProcessorMixin) -> str:
    asked = [{"type": "image"}, {"type": "text", "text": "what color is the circle?"}]
    text = processor.apply_chat_template([{"role": "user", "content": asked}], add_generation_prompt=True)
    assert text == CHAT[name]
    return text


def encoded(name: str, processor: ProcessorMixin) -> BatchFeature:
    picture = Image.new("RGB", (60, 40), "white")
    picture.paste((200, 30, 30), (35, 20, 55, 38))
    return processor(images=picture, text=prompt(name, processor), return_tensors="pt")


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_in_words_and_ends(load: Callable[[str], Loaded], name: str) -> None:
    network, processor = load(name)
    inputs = encoded(name, processor)
    assert (inputs["input_ids"] == network.config.image_token_id).sum() == IMAGE_TOKENS[name]
    with torch.no_grad():
        written = network.generate(**inputs, max_new_tokens=12, do_sample=False)
    told = processor.decode(written[0, inputs["input_ids"].shape[1]:])
    assert re.fullmatch(r" ?(\w+ ){3,}\w+" + re.escape(processor.tokenizer.eos_token), told)


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_looks_at_some_tokens_more_than_at_others(load: Callable[[str], Loaded], name: str) -> None:
    network, processor = load(name)
    inputs = encoded(name, processor)
    network.set_attn_implementation("eager")
    with torch.no_grad():
        output = network(**inputs, output_attentions=True)
    assert output.logits.shape[:2] == inputs["input_ids"].shape and output.logits.std() > 0.2
    for attention in output.attentions:
        last = attention[0, :, -1]
        assert last.amax(-1).mean() > 4 / last.shape[-1]
