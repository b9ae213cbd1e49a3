"""The vision-language model of the Shapes world before it is trained: the stock `LlavaForConditionalGeneration`.

One image token for each patch of 8 pixels, so what relevance says of an image token is said of a patch. transformers'
own first weights are made for far wider models; these are larger, and words attend first to what resembles them.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import (
    AutoConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from mmx.shapes.descriptions import MARKS
from mmx.shapes.questions import ANSWERS, all_words
from mmx.shapes.train.pool import MEAN, STD
from mmx.shapes.train.vit import PATCH_PX, SIZE_PX

PATCHES = (SIZE_PX // PATCH_PX) ** 2
PAD, UNKNOWN, BEGIN, END, IMAGE = SPECIALS = ("<pad>", "<unk>", "<s>", "</s>", "<image>")
USER, ASSISTANT = "user", "assistant"
_LONGEST = 512
_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ ' ' if not loop.first }}{{ message['role'] }}"
    "{%- if message['content'] is string -%}{{ ' ' + message['content'] }}"
    "{%- else -%}"
    "{%- for part in message['content'] if part['type'] == 'image' -%}{{ ' <image>' }}{%- endfor -%}"
    "{%- for part in message['content'] if part['type'] == 'text' -%}{{ ' ' + part['text'] }}{%- endfor -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ ' assistant' }}{%- endif -%}")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each word and mark that a question or an answer can hold."""
    words = sorted({*all_words(), *ANSWERS, *MARKS, USER, ASSISTANT})
    made = Tokenizer(WordLevel({word: index for index, word in enumerate([*SPECIALS, *words])}, unk_token=UNKNOWN))
    made.normalizer, made.pre_tokenizer, made.decoder = Lowercase(), Whitespace(), WordPiece(cleanup=True)
    made.post_processor = TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, SPECIALS.index(BEGIN))])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=PAD, unk_token=UNKNOWN, bos_token=BEGIN, eos_token=END, padding_side="left",
        model_max_length=_LONGEST, extra_special_tokens={"image_token": IMAGE})


def build_processor() -> LlavaProcessor:
    pictures = CLIPImageProcessor(size={"shortest_edge": SIZE_PX}, crop_size={"height": SIZE_PX, "width": SIZE_PX},
                                  image_mean=MEAN, image_std=STD)
    return LlavaProcessor(pictures, build_tokenizer(), patch_size=PATCH_PX, vision_feature_select_strategy="default",
                          num_additional_image_tokens=1, chat_template=_TEMPLATE)


def build_config(vocab_size: int) -> LlavaConfig:
    vision = CLIPVisionConfig(hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192,
                              image_size=SIZE_PX, patch_size=PATCH_PX, hidden_act="gelu")
    tokens: dict[str, Any] = {f"{name}_token_id": SPECIALS.index(token)
                              for name, token in (("pad", PAD), ("bos", BEGIN), ("eos", END))}
    text = LlamaConfig(hidden_size=96, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4,
                       intermediate_size=256, vocab_size=vocab_size, max_position_embeddings=_LONGEST,
                       rope_parameters={"rope_type": "default", "rope_theta": 1e6}, rms_norm_eps=1e-6,
                       tie_word_embeddings=True, **tokens)
    return LlavaConfig(vision_config=vision, text_config=text, image_token_index=SPECIALS.index(IMAGE),
                       image_seq_length=PATCHES, vision_feature_layer=-1, vision_feature_select_strategy="default",
                       tie_word_embeddings=True, **tokens)


def goes_on(start: Path) -> bool:
    """Whether the checkpoint of this folder is one of this kind, and not the CLIP that one begins as."""
    return AutoConfig.from_pretrained(start).model_type == LlavaConfig.model_type


def begun(vocab_size: int, start: Path) -> LlavaForConditionalGeneration:
    """A new one, whose image tower begins as that of the CLIP of this folder, or one that is trained on."""
    if goes_on(start):
        return LlavaForConditionalGeneration.from_pretrained(start)
    return build_model(vocab_size, start)


@torch.no_grad()
def build_model(vocab_size: int, matcher: Path) -> LlavaForConditionalGeneration:
    """Its image tower begins as that of `matcher`, the folder of a CLIP of the same size."""
    model = LlavaForConditionalGeneration(build_config(vocab_size))
    parts: Any = model.model
    _begin_as_matcher(parts.vision_tower, CLIPModel.from_pretrained(matcher))
    language, projector = parts.language_model, parts.multi_modal_projector
    language.embed_tokens.weight.normal_(0, 0.2)
    width = language.embed_tokens.weight.shape[1]
    for linear, spread in ((projector.linear_1, 1), (projector.linear_2, 0.3)):
        _begin(linear, spread)
        linear.bias.zero_()
    for number, layer in enumerate(language.layers):
        attention, mlp = layer.self_attn, layer.mlp
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, mlp.gate_proj, mlp.up_proj):
            _begin(linear, 1)
        for linear in (attention.o_proj, mlp.down_proj):
            _begin(linear, 0.3)
        if number:
            attention.q_proj.weight.copy_(attention.k_proj.weight)
    assert width == parts.config.text_config.hidden_size
    return model


def _begin(linear: nn.Linear, spread: float) -> None:
    linear.weight.normal_(0, spread / linear.in_features ** 0.5)


def _begin_as_matcher(tower: nn.Module, matcher: Any) -> None:
    """Of the last layer, whose patches the matcher never read, little."""
    tower.load_state_dict(matcher.vision_model.state_dict())
    last: Any = tower.encoder.layers[-1]  # type: ignore[union-attr]
    for linear in (last.self_attn.out_proj, last.mlp.fc2):
        linear.weight.mul_(0.1)
        linear.bias.zero_()
