"""BLIP (Li et al. 2022) for retrieval: a text that reads a picture in every layer, and a head that says if they match.

The head reads the first text token, the picture comes in by cross-attention (eq. 10).
"""

from mmx.families.base import Checkpoint, Family, Matches, Part, Pixels, Read, Text, layers
from mmx.schedule import Site

_COCO, _BSD = "photographs (COCO captions)", "BSD-3-Clause"

FAMILY = Family(
    architectures=("BlipForImageTextRetrieval",),
    score=Matches(),
    inputs=(Pixels(config="vision_config"),
            Text(ask="texts", names=("input_ids", "attention_mask"), config="text_config")),
    schedule=lambda config: (
        *layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
        *((Site(f"text_encoder.encoder.layer.{i}.{module}.self", "text", cols),)
          for i in range(config.text_config.num_hidden_layers)
          for module, cols in (("attention", "text"), ("crossattention", "image")))),
    roots=("vision_model.embeddings", "text_encoder.embeddings"),
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("text"),),
    outputs=lambda found, network, inputs: {"logits": found.itm_score},
    arguments={"use_itm_head": True},
    checkpoints=(Checkpoint("Salesforce/blip-itm-base-coco", _COCO, 895, _BSD),),
)
