"""DETR for panoptic segmentation (Carion et al. 2020, section 4.4): its detections, as DETR's own are explained.

Its masks are not: they come out of convolutions over what was found, and no detection depends on them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mmx.families.base import Checkpoint
from mmx.families.detr import FAMILY as DETR
from mmx.families.detr import encoder_decoder


@contextmanager
def _without_masks(network: Any) -> Iterator[None]:
    """For every object there is a single number in the place of its mask, which would take more than all the rest."""
    network.bbox_attention.forward = lambda queries, memory, attention_mask: queries[..., :1]
    network.mask_head.forward = lambda features, attention_masks, fpn_features: attention_masks.unsqueeze(-1)
    try:
        yield
    finally:
        del network.bbox_attention.forward, network.mask_head.forward


FAMILY = replace(
    DETR,
    architectures=("DetrForSegmentation",),
    model_type="",
    schedule=lambda config: encoder_decoder(config, "detr.model"),
    roots={stream: f"detr.{root}" for stream, root in DETR.roots.items()},
    around=_without_masks,
    checkpoints=(
        Checkpoint("facebook/detr-resnet-50-panoptic", "photographs (COCO panoptic)", 172, "Apache-2.0"),),
)
