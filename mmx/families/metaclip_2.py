"""MetaCLIP 2 (Chuang et al. 2025): CLIP on the whole world's languages, with a text tower that ends at its end token.

Each tower runs once over its own batch, as in CLIP. By default only the last layer of each tower is read; 0 reads all.
"""

from dataclasses import replace
from typing import Any

from mmx.families.base import Checkpoint, Pixels, Tensors
from mmx.families.clip import FAMILY as CLIP


def _outputs(found: Any, network: Any, inputs: Tensors) -> Tensors:
    """ "ends" (texts,): the first end token of each text, by whatever number the config has for it."""
    ends = (inputs["input_ids"] == network.config.text_config.eos_token_id).int().argmax(dim=1)
    return {"logits": found.logits_per_image, "scale": network.logit_scale.exp(), "ends": ends}


FAMILY = replace(
    CLIP,
    architectures=("MetaClip2Model",),
    model_type="metaclip_2",
    inputs=(Pixels(config="vision_config"), CLIP.inputs[1]),
    outputs=_outputs,
    checkpoints=(Checkpoint("facebook/metaclip-2-worldwide-huge-quickgelu", "photographs (captions worldwide)", 7435,
                            "CC-BY-NC-4.0"),),
)
