"""VisualBERT (Li et al. 2019): one stream of text tokens followed by regions.

The answer is read at text position (mask sum - 2), the last word before [SEP], in `transformers` as in the original.
Regions carry no boxes; token type 0 marks them, as in the original code (`transformers` would default to 1).
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from mmx.capture import Chosen, Outputs, Readout, ReferenceTraits
from mmx.families._removal import LXMERT_STEPS, ReferenceTest
from mmx.families._vqa import VqaFamily
from mmx.families.base import Inputs
from mmx.methods.base import Rows
from mmx.schedule import Schedule, Site


class VisualBert(VqaFamily):
    architecture = "VisualBertForQuestionAnswering"
    graph_roots = ("visual_bert.embeddings",)
    readout_streams = ("joint",)
    reference = ReferenceTraits(rollout_normalizes=False)
    parts: ClassVar = {"text": ("input_ids", "attention_mask", "token_type_ids"),
                       "image": ("visual_embeds", "visual_attention_mask", "visual_token_type_ids")}
    reference_test = ReferenceTest({"text": LXMERT_STEPS, "image": (0, 0.5, 0.75, 0.95, 0.96, 0.97, 0.98, 0.99, 1)},
                                   unmasks_regions=True, takes_one_more=True)

    def schedule(self, config: PreTrainedConfig) -> Schedule:
        return tuple((Site(f"visual_bert.encoder.layer.{i}.attention.self.dropout", "joint", "joint"),)
                     for i in range(config.num_hidden_layers))

    def run(self, network: nn.Module, inputs: Inputs) -> Outputs:
        return {"logits": network(**{"attention_mask": torch.ones_like(inputs["input_ids"]), **inputs}).logits}

    def valid(self, inputs: Inputs, outputs: Outputs) -> dict[str, Tensor]:
        text, image = inputs["input_ids"], inputs["visual_embeds"]
        masks = [inputs.get("attention_mask", torch.ones_like(text)),
                 inputs.get("visual_attention_mask", torch.ones(image.shape[:2], device=image.device))]
        return {"joint": torch.cat([mask.bool() for mask in masks], dim=1)}

    def readouts(self, inputs: Inputs, chosen: Chosen) -> tuple[Readout, ...]:
        return (Readout("joint", self._answer_position(inputs)[chosen.samples]),)

    def scores(self, rows: Rows, inputs: Inputs, chosen: Chosen) -> dict[str, Tensor]:
        joint = rows["joint", "joint"].clone()
        joint.scatter_(1, self._answer_position(inputs)[chosen.samples].unsqueeze(1), 0)
        length = inputs["input_ids"].shape[1]
        return {"text": joint[:, :length], "image": joint[:, length:]}

    def present(self, inputs: Inputs, padding_counts: bool = False) -> dict[str, Tensor]:
        """Padded words never count: the reference's forward cuts them off."""
        return {**super().present(inputs, padding_counts), "text": super().present(inputs)["text"]}

    def never_removed(self, inputs: Inputs, present: Tensor) -> Tensor:
        """Nor the word at which the answer is read, most often the question mark."""
        places = torch.arange(present.shape[1], device=present.device)
        return super().never_removed(inputs, present) | (places == self._answer_position(inputs)[:, None])

    def answer_count(self, config: PreTrainedConfig) -> int:
        return config.num_labels

    def region_features(self, config: PreTrainedConfig) -> int:
        return config.visual_embedding_dim

    def region_inputs(self, features: Tensor, boxes_xyxy_unit: Tensor, mask: Tensor) -> Inputs:
        return {"visual_embeds": features, "visual_attention_mask": mask,
                "visual_token_type_ids": torch.zeros_like(mask)}

    @staticmethod
    def _answer_position(inputs: Inputs) -> Tensor:
        return inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).sum(dim=1) - 2


FAMILY = VisualBert()
