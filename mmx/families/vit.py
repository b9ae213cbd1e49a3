"""ViT (Dosovitskiy et al. 2021): one stream, [CLS] and then the patches. DeiT (Touvron et al. 2021) is the same class.

Its attention takes its softmax in float32 even in a float64 model, so captured maps are that exact and no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from mmx.capture import Chosen, Outputs, Readout
from mmx.families.base import Family, Inputs, choose_classes
from mmx.methods.base import Rows
from mmx.schedule import Schedule, Site


@dataclass(frozen=True)
class Classes:
    """Any number of classes to explain for each sample of a batch; None is the predicted one."""

    of_each: Sequence[Sequence[int | None]]


class Vit(Family):
    architecture = "ViTForImageClassification"
    task = "image classification"
    graph_roots = ("vit.embeddings",)
    readout_streams = ("image",)
    start_layers = {"image": 0}  # noqa: RUF012

    def schedule(self, config: PreTrainedConfig) -> Schedule:
        return tuple((Site(f"vit.layers.{i}.attention", "image", "image"),) for i in range(config.num_hidden_layers))

    def run(self, network: nn.Module, inputs: Inputs) -> Outputs:
        return {"logits": network(**inputs).logits}

    def valid(self, inputs: Inputs, outputs: Outputs) -> dict[str, Tensor]:
        return {}

    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """`target`: as `choose_classes` takes it, or `Classes`, whose items are in order of samples."""
        logits = outputs["logits"]
        if isinstance(target, Classes):
            best = logits.argmax(dim=1).tolist()
            pairs = [(sample, best[sample] if one is None else one)
                     for sample, several in enumerate(target.of_each) for one in several]
            samples, classes = torch.tensor(pairs, device=logits.device).unbind(1)
        else:
            samples, classes = choose_classes(logits, target)
        return Chosen(logits[samples, classes], samples)

    def readouts(self, inputs: Inputs, chosen: Chosen) -> tuple[Readout, ...]:
        return (Readout("image", torch.zeros_like(chosen.samples)),)

    def scores(self, rows: Rows, inputs: Inputs, chosen: Chosen) -> dict[str, Tensor]:
        return {"image": rows["image", "image"][:, 1:]}


FAMILY = Vit()
