"""DETR (Carion et al. 2020): a stream of image cells through the encoder, a stream of object queries that reads it.

The graph starts at the encoder's input and at the decoder's content queries, so position embeddings are constants
and nothing flows into the backbone. `auxiliary_loss` stays off: in transformers 5.23 it changes the forward.
"""

from typing import Any

from mmx.families.base import Checkpoint, Family, Pixels, Queries, Read, layers
from mmx.reference import Reference
from mmx.schedule import Schedule, Site

_COCO, _APACHE = "photographs (COCO)", "Apache-2.0"
_DETECTIONS = ("threshold", "queries", "class_name")


def encoder_decoder(config: Any, model: str, cross: str = "encoder_attn") -> Schedule:
    """The encoder's layers, then in each of the decoder's the queries among themselves and at the picture."""
    return (
        *layers(f"{model}.encoder.layers.{{}}.self_attn", "image", config.encoder_layers),
        *((Site(f"{model}.decoder.layers.{i}.{module}", "query", cols),) for i in range(config.decoder_layers)
          for module, cols in (("self_attn", "query"), (cross, "image"))))


FAMILY = Family(
    architectures=("DetrForObjectDetection",),
    model_type="detr",
    score=Queries(),
    inputs=(Pixels(takes_mask=True, any_size=True, cells="cells"),),
    schedule=lambda config: encoder_decoder(config, "model"),
    roots={"image": "model.input_projection", "query": "model.decoder:inputs_embeds"},
    reads=(Read("query", row=None),),
    outputs=lambda found, network, inputs: {"logits": found.logits, "boxes": found.pred_boxes,
                                            "cells": found.encoder_last_hidden_state[:, :, 0]},
    reference=Reference(conserve_in_linear=True, drops_undefined_layers=True, sizes_pictures=True),
    checkpoints=(
        Checkpoint("shapes-detr", default_for=_DETECTIONS),
        Checkpoint("facebook/detr-resnet-50", _COCO, 167, _APACHE, default_for=_DETECTIONS, revision="no_timm"),
        Checkpoint("facebook/detr-resnet-101", _COCO, 243, _APACHE, revision="no_timm")),
)
