"""LXMERT (Tan & Bansal 2019): a text stream and a stream of regions, joined by cross-attention.

In each cross layer one attention module serves both directions, text←image in its first call.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from mmx.capture import Chosen, Outputs, Readout
from mmx.families._vqa import VqaFamily
from mmx.families.base import Inputs
from mmx.methods.base import Rows
from mmx.recording import silenced_calls
from mmx.schedule import Schedule, Site, Step

_ENCODER = "lxmert.encoder"


class Lxmert(VqaFamily):
    architecture = "LxmertForQuestionAnswering"
    graph_roots = ("lxmert.embeddings", "lxmert.encoder.visn_fc")
    readout_streams = ("text",)
    parts: ClassVar = {"text": ("input_ids", "attention_mask", "token_type_ids"),
                       "image": ("visual_feats", "visual_pos", "visual_attention_mask")}

    def schedule(self, config: PreTrainedConfig) -> Schedule:
        text = [_self(f"layer.{i}.attention", "text") for i in range(config.l_layers)]
        image = [_self(f"r_layers.{i}.attention", "image") for i in range(config.r_layers)]
        cross = [step for i in range(config.x_layers)
                 for step in _cross_layer(i, image_is_read=i < config.x_layers - 1)]
        return (*((site,) for site in text), *((site,) for site in image), *cross)

    def run(self, network: nn.Module, inputs: Inputs) -> Outputs:
        return {"logits": network(**inputs).question_answering_score}

    def valid(self, inputs: Inputs, outputs: Outputs) -> dict[str, Tensor]:
        masks = {"text": inputs.get("attention_mask"), "image": inputs.get("visual_attention_mask")}
        return {stream: mask.bool() for stream, mask in masks.items() if mask is not None}

    def readouts(self, inputs: Inputs, chosen: Chosen) -> tuple[Readout, ...]:
        return (Readout("text", torch.zeros_like(chosen.samples)),)

    def scores(self, rows: Rows, inputs: Inputs, chosen: Chosen) -> dict[str, Tensor]:
        text = rows["text", "text"].clone()
        text[:, 0] = 0
        return {"text": text, "image": rows["text", "image"]}

    def run_reduced(self, network: nn.Module, inputs: Inputs) -> Outputs:
        """`transformers` fails where there is no region at all. Then text←image attention adds nothing, as in the
        reference, and no other path leads from regions to the answer."""
        blind = ~inputs["visual_attention_mask"].any(dim=1)
        modules = [_shared_attention(index) for index in range(network.config.x_layers)]
        with silenced_calls(network, modules, call=0, silent=blind):
            return self.run(network, inputs)

    def answer_count(self, config: PreTrainedConfig) -> int:
        return config.num_qa_labels

    def region_features(self, config: PreTrainedConfig) -> int:
        return config.visual_feat_dim

    def region_inputs(self, features: Tensor, boxes_xyxy_unit: Tensor, mask: Tensor) -> Inputs:
        return {"visual_feats": features, "visual_pos": boxes_xyxy_unit, "visual_attention_mask": mask}


def _self(module: str, stream: str, reaches_target: bool = True) -> Site:
    return Site(f"{_ENCODER}.{module}.self.dropout", stream, stream, reaches_target=reaches_target)


def _shared_attention(index: int) -> str:
    return f"{_ENCODER}.x_layers.{index}.visual_attention.att"


def _cross_layer(index: int, image_is_read: bool) -> tuple[Step, Step]:
    """The answer is read from text, so nothing reads what the last layer does to the image."""
    layer = f"x_layers.{index}"
    shared = f"{_shared_attention(index)}.dropout"
    across = (Site(shared, "text", "image"), Site(shared, "image", "text", call=1, reaches_target=image_is_read))
    within = (_self(f"{layer}.lang_self_att", "text"), _self(f"{layer}.visn_self_att", "image", image_is_read))
    return across, within


FAMILY = Lxmert()
