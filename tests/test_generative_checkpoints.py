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

pytestmark = pytest.mark.slow  # tests/families asks more of each

QUESTION = "what color is the circle?"
_QWEN = f"<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = {
    "tiny_llava": f"USER: <image>\n{QUESTION} ASSISTANT:", "tiny_llava_next": f"[INST] <image>\n{QUESTION} [/INST]",
    "tiny_llava_onevision": f"<|im_start|>user <image>\n{QUESTION}<|im_end|><|im_start|>assistant\n",
    "tiny_qwen2_vl": f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{_QWEN}",
    "tiny_qwen2_5_vl": f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{_QWEN}", "tiny_qwen3_vl": _QWEN,
    "tiny_smolvlm": f"<|im_start|>User:<image>{QUESTION}<end_of_utterance>\nAssistant:",
    "tiny_idefics3": f"<|im_start|>User:<image>{QUESTION}<end_of_utterance>\nAssistant:",
    "tiny_paligemma": f"<image>{QUESTION}", "tiny_paligemma_2": f"<image>{QUESTION}",
    "tiny_internvl": f"<|im_start|>user\n<IMG_CONTEXT>\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n",
    "tiny_gemma3": f"<bos><start_of_turn>user\n<start_of_image>{QUESTION}<end_of_turn>\n<start_of_turn>model\n",
    "tiny_blip_2": QUESTION, "tiny_blip_2_t5": QUESTION, "tiny_instructblip": QUESTION}
"""By its chat template, where it has one."""
IMAGE_TOKENS = {
    "tiny_llava": 4 * 4, "tiny_llava_next": 4 * 4 + 6 * (8 + 1), "tiny_llava_onevision": 4 * 4 + 6 * (8 + 1),
    "tiny_qwen2_vl": 5 * 8, "tiny_qwen2_5_vl": 5 * 8, "tiny_qwen3_vl": 5 * 8, "tiny_smolvlm": (2 * 2 + 1) * 3 * 3,
    "tiny_idefics3": (2 * 2 + 1) * 2 * 2, "tiny_paligemma": 4 * 4, "tiny_paligemma_2": 4 * 4,
    "tiny_internvl": (2 * 2 + 1) * 3 * 3, "tiny_gemma3": 4 * 4, "tiny_blip_2": 6, "tiny_blip_2_t5": 6,
    "tiny_instructblip": 6}
"""Of a picture 60 pixels wide and 40 high, counted by hand."""
TYPES_OF_ANSWERS = {"tiny_paligemma": 1, "tiny_paligemma_2": 1}
"""What token_type_ids say of an answer, where that is not 0."""

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


def encoded(name: str, processor: ProcessorMixin, wide: tuple[int, ...] = (60,),
            questions: tuple[str, ...] = (QUESTION,)) -> BatchFeature:
    """Pictures so wide and 40 pixels high, each with its question."""
    if processor.chat_template is not None:
        asked = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        told = processor.apply_chat_template([{"role": "user", "content": asked}], add_generation_prompt=True)
        assert told == PROMPTS[name]
    pictures = [[Image.new("RGB", (width, 40), "white")] for width in wide]
    for [picture] in pictures:
        picture.paste((200, 30, 30), (picture.width - 25, 20, picture.width - 5, 38))
    texts = [PROMPTS[name].replace(QUESTION, question) for question in questions]
    inputs = processor(images=pictures, text=texts, padding=True, return_tensors="pt")
    inputs.pop("labels", None)  # PaliGemma's, for training
    return inputs


def with_answer(name: str, network: PreTrainedModel, inputs: BatchFeature,
                answer: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a forward over a question and its answer (1, tokens) takes."""
    if network.config.is_encoder_decoder:
        return {**inputs, "decoder_input_ids": answer}
    after = {"input_ids": answer, "attention_mask": torch.ones_like(answer)}
    after |= {types: torch.full_like(answer, TYPES_OF_ANSWERS.get(name, 0))
              for types in ("token_type_ids", "mm_token_type_ids")}
    return {key: torch.cat([one, after[key]], 1) if key in after else one for key, one in inputs.items()}


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_in_words_and_ends(load: Callable[[str], Loaded], name: str) -> None:
    network, processor = load(name)
    inputs = encoded(name, processor)
    assert (inputs["input_ids"] == network.config.image_token_id).sum() == IMAGE_TOKENS[name]
    with torch.no_grad():
        [written] = network.generate(**inputs, max_new_tokens=12, do_sample=False)
    asked = 1 if network.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    told = processor.tokenizer.decode(written[asked:])
    assert re.fullmatch(r" ?(\w+ ){3,}\w+" + re.escape(processor.tokenizer.eos_token), told)


@pytest.mark.parametrize("name", NAMES)
def test_one_forward_over_the_answer_gives_what_it_was_written_by(load: Callable[[str], Loaded], name: str) -> None:
    network, processor = load(name)
    inputs = encoded(name, processor)
    with torch.no_grad():
        written = network.generate(**inputs, max_new_tokens=6, min_new_tokens=6, do_sample=False, output_logits=True,
                                   return_dict_in_generate=True)
        answer = written.sequences[:, -7:-1] if network.config.is_encoder_decoder else written.sequences[:, -6:]
        [logits] = network(**with_answer(name, network, inputs, answer)).logits
    rows = logits if network.config.is_encoder_decoder else logits[-7:-1]
    torch.testing.assert_close(rows, torch.cat(written.logits), rtol=0, atol=1e-4)


# InstructBLIP's processor pads between picture and question, and its Llama counts places without heed of that.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "tiny_instructblip"])
def test_in_a_batch_each_is_answered_as_alone(load: Callable[[str], Loaded], name: str) -> None:
    network, processor = load(name)
    asked = tuple(zip((60, 30), (QUESTION, "is the largest circle a red square in this picture?"), strict=True))
    batches = [tuple(zip(*asked, strict=True)), *(((width,), (question,)) for width, question in asked)]
    start = torch.zeros((1, 2), dtype=torch.long)
    with torch.no_grad():
        both, *alone = (network(**with_answer(name, network, inputs, start.repeat(len(inputs["input_ids"]), 1))).logits
                        for inputs in (encoded(name, processor, *batch) for batch in batches))
    torch.testing.assert_close(both[:, -1], torch.cat([one[:, -1] for one in alone]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_looks_at_some_tokens_more_than_at_others(load: Callable[[str], Loaded], name: str) -> None:
    network, processor = load(name)
    inputs = encoded(name, processor)
    network.set_attn_implementation("eager")
    with torch.no_grad():
        output = network(**with_answer(name, network, inputs, torch.zeros((1, 2), dtype=torch.long)),
                         output_attentions=True)
    spoken = getattr(output, "language_model_outputs", output)
    for attention in spoken.cross_attentions if network.config.is_encoder_decoder else spoken.attentions:
        last = attention[0, :, -1]
        assert last.amax(-1).mean() > 2 / last.shape[-1]
