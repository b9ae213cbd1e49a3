"""DAB-DETR (Liu et al. 2022): DETR whose queries are boxes that each layer of the decoder refines; scores are sigmoids.

The class makes its maps itself, by a softmax in float32, and gives them away where it is asked to. It writes into its
positions between layers, for which there is no relevance rule: methods that need LRP are left out.
"""

from dataclasses import replace

from mmx.families.base import Checkpoint, Queries
from mmx.families.detr import FAMILY as DETR
from mmx.families.detr import encoder_decoder
from mmx.reference import Reference

FAMILY = replace(
    DETR,
    architectures=("DabDetrForObjectDetection",),
    model_type="dab-detr",
    score=Queries(unit="sigmoid", queries=lambda config: config.num_queries * max(1, config.num_patterns)),
    schedule=lambda config: encoder_decoder(config, "model", cross="cross_attn"),
    arguments={"output_attentions": True, "output_hidden_states": True},
    reference=Reference(),
    checkpoints=(Checkpoint("IDEA-Research/dab-detr-resnet-50", "photographs (COCO)", 175, "Apache-2.0"),),
)
