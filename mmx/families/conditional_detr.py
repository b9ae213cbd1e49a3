"""Conditional DETR (Meng et al. 2021): DETR whose queries look where they are, and whose scores are sigmoids.

Its cross-attention joins content and position in queries and keys of double width; values are as wide as ever, and the
map mixes them as any map does.
"""

from dataclasses import replace

from mmx.families.base import Checkpoint, Queries
from mmx.families.detr import FAMILY as DETR
from mmx.reference import Reference

FAMILY = replace(
    DETR,
    architectures=("ConditionalDetrForObjectDetection",),
    model_type="conditional_detr",
    score=Queries(unit="sigmoid"),
    reference=Reference(),
    checkpoints=(Checkpoint("microsoft/conditional-detr-resnet-50", "photographs (COCO)", 174, "Apache-2.0"),),
)
