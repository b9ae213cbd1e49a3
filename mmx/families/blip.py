"""BLIP (Li et al. 2022): a text that reads a picture in every layer, and what that text is for.

In retrieval a head reads its first token and says if they match; in VQA a decoder reads all of it and writes an answer,
a third stream. Each comes in by cross-attention (eq. 10), and with the question what it saw (eq. 11).
"""

from collections.abc import Iterator
from typing import Any

from mmx.families.base import Checkpoint, Family, Matches, Part, Pixels, Read, Text, Tokens, Written, layers
from mmx.schedule import Schedule, Site, Step

_COCO, _BSD = "photographs (COCO captions)", "BSD-3-Clause"


def _reading(module: str, rows: str, cols: str, count: int) -> Iterator[Step]:
    """A stream that reads another one in every layer."""
    return ((Site(f"{module}.encoder.layer.{i}.{kind}.self", rows, one),)
            for i in range(count) for kind, one in (("attention", rows), ("crossattention", cols)))


def _seen(config: Any) -> Schedule:
    return (*layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
            *_reading("text_encoder", "text", "image", config.text_config.num_hidden_layers))


_RETRIEVAL = Family(
    architectures=("BlipForImageTextRetrieval",),
    score=Matches(),
    inputs=(Pixels(config="vision_config", resized_by="interpolate_pos_encoding"),
            Text(ask="texts", names=("input_ids", "attention_mask"), config="text_config")),
    schedule=_seen,
    roots={"image": "vision_model.embeddings", "text": "text_encoder.embeddings"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("text"),),
    outputs=lambda found, network, inputs: {"logits": found.itm_score},
    arguments={"use_itm_head": True},
    checkpoints=(Checkpoint("Salesforce/blip-itm-base-coco", _COCO, 895, _BSD),),
)

# In transformers 5.24 no cross-attention of this class masks its padding, and `generate` passes no mask.
_QUESTION = Text(names=("input_ids", "attention_mask"), config="text_config", padding="never")

_VQA = Family(
    architectures=("BlipForQuestionAnswering",),
    score=Tokens(),
    inputs=(Pixels(config="vision_config"), _QUESTION,
            Written(config="text_config", end="sep_token_id")),
    schedule=lambda config: (
        *_seen(config), *_reading("text_decoder.bert", "answer", "text", config.text_config.num_hidden_layers)),
    roots={**_RETRIEVAL.roots, "answer": "text_decoder.bert.embeddings"},
    tokens=_RETRIEVAL.tokens,
    reads=(Read("answer", row=None),),
    output_of="text_decoder",
    outputs=lambda found, network, inputs: {"logits": found.logits, "ids": inputs["decoder_input_ids"]},
    checkpoints=(Checkpoint("Salesforce/blip-vqa-base", "photographs (VQA v2)", 1538, _BSD),),
)

FAMILY = (_RETRIEVAL, _VQA)
