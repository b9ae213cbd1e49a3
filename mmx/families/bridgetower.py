"""BridgeTower (Xu et al. 2023) for retrieval: two towers whose upper layers feed, each, a layer in which they meet.

Such a cross-modal layer has self-attention and then cross-attention on both sides, and each side reads the other one as
it was before the layer: all four maps are a step (eq. 10 with both sides' relevance from before it). Bridges add a
tower's state to the cross-modal one, token by token, so that both are one stream. The head reads [CLS] of both sides:
half of what explains a score is either's row. That is mmx's own definition.
"""

from collections.abc import Iterator
from typing import Any

from mmx.families.base import Checkpoint, Family, Matches, Part, Pixels, Read, Text
from mmx.schedule import Schedule, Site, Step

_MODEL = "bridgetower"


def _schedule(config: Any) -> Schedule:
    """Text layers and picture layers run beside each other: the lower ones alone, each upper one before a meeting."""
    towers, meetings = config.text_config.num_hidden_layers, config.num_hidden_layers
    lower = towers - meetings + 1
    return (*(step for i in range(lower) for step in _tower(i)),
            *(step for i in range(meetings)
              for step in (*(_tower(lower + i - 1) if i else ()), _meeting(i))))


def _tower(index: int) -> Iterator[Step]:
    yield (Site(f"{_MODEL}.text_model.encoder.layer.{index}.attention.self", "text", "text"),)
    yield (Site(f"{_MODEL}.vision_model.visual.transformer.resblocks.{index}.attn", "image", "image"),)


def _meeting(index: int) -> Step:
    sides = (("text", "image"), ("image", "text"))
    return tuple(Site(f"{_MODEL}.cross_modal_{rows}_layers.{index}.{module}.self", rows, cols)
                 for rows, other in sides for module, cols in (("attention", rows), ("crossattention", other)))


FAMILY = Family(
    architectures=("BridgeTowerForImageAndTextRetrieval",),
    score=Matches(),
    inputs=(Pixels(config="vision_config"),
            Text(ask="texts", names=("input_ids", "attention_mask"), config="text_config", first_position=2)),
    schedule=_schedule,
    roots={"text": f"{_MODEL}.text_model.embeddings", "image": f"{_MODEL}.vision_model.visual.ln_pre"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("text", share=0.5), Read("image", share=0.5)),
    checkpoints=(Checkpoint("BridgeTower/bridgetower-base-itm-mlm", "photographs (web captions)", 1305, "MIT"),),
)
