"""What a family says of itself. Everything else is the engine's."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from mmx.capture import Chosen, Outputs, Readout, ReferenceTraits
from mmx.errors import UsageError
from mmx.methods.base import Rows
from mmx.registry import load_module, module_names
from mmx.schedule import Schedule, from_layers, self_sites

Inputs = Mapping[str, Tensor]
"""What the model's forward takes, batched."""


class Family(ABC):
    """One kind of model, on its unmodified `transformers` class.

    Class attributes:
        architecture: name of the class in `transformers`.
        task: what it does, in the words of `mmx models`.
        graph_roots: modules at whose output the gradient graph starts.
        readout_streams: the streams whose rows are read.
        start_layers: by stream, the first layer that is read where none is asked for; -1 is the last one. A stream
            that is absent is read from its first layer on, and nothing else can be asked.
        reference: where the reference's code treats this family otherwise than the others.
    """

    architecture: ClassVar[str]
    task: ClassVar[str]
    graph_roots: ClassVar[tuple[str, ...]]
    readout_streams: ClassVar[tuple[str, ...]]
    start_layers: ClassVar[Mapping[str, int]] = {}
    reference: ClassVar[ReferenceTraits] = ReferenceTraits()

    @abstractmethod
    def schedule(self, config: PreTrainedConfig) -> Schedule:
        """The attention sites of a model with this config, in order."""

    def schedule_from(self, config: PreTrainedConfig, start_layers: Mapping[str, int]) -> Schedule:
        """The sites that are read: each stream's from the layer that is asked for, or else from its default, on."""
        schedule = self.schedule(config)
        for stream, start in start_layers.items():
            count = len(self_sites(schedule, stream))
            if stream not in self.start_layers:
                why = f"always reads all its {stream} layers" if count else f"has no {stream} layers of its own"
                raise UsageError(f"{self.architecture} {why}: no start layer fits them.", "Leave it out.")
            if not -count <= start < count:
                raise UsageError(f"There is no {stream} layer {start}; the model has {count} (0 to {count - 1}, or -1 "
                                 "for the last).")
        return from_layers(schedule, {**self.start_layers, **start_layers})

    @abstractmethod
    def run(self, network: nn.Module, inputs: Inputs) -> Outputs:
        """Runs the model: "logits", (batch, ...), and what else is read of its output."""

    @abstractmethod
    def valid(self, inputs: Inputs, outputs: Outputs) -> dict[str, Tensor]:
        """Which tokens of each stream are not padding, (batch, tokens) bool; a stream without padding may lack."""

    @abstractmethod
    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """What is explained; `target` is the family's own, and None is what the model predicts."""

    @abstractmethod
    def readouts(self, inputs: Inputs, chosen: Chosen) -> tuple[Readout, ...]:
        """The rows that explain the items."""

    @abstractmethod
    def scores(self, rows: Rows, inputs: Inputs, chosen: Chosen) -> dict[str, Tensor]:
        """What is handed out of a method's rows: "text" and "image", (items, tokens) each."""


def family_names() -> list[str]:
    return module_names("families")


def get_family(model_type: str) -> Family:
    """The family of a checkpoint's `model_type`; UsageError says which there are."""
    if model_type not in family_names():
        raise UsageError(f"mmx has no family for model type '{model_type}'.",
                         f"It explains: {', '.join(family_names())}.")
    return load_module("families", model_type).FAMILY


def choose_classes(logits: Tensor, target: object) -> tuple[Tensor, Tensor]:
    """Samples and classes of the items to explain, (items,) each, out of class logits (batch, classes).

    `target` is None (each sample's own prediction), one class for all, a class for each sample, or, for a batch
    of one, any number of classes. None within a list is the prediction of that sample.
    """
    batch, classes = logits.shape
    samples = torch.arange(batch, device=logits.device)
    if target is None:
        return samples, logits.argmax(dim=1)
    if isinstance(target, list | tuple) and any(one is None for one in target) and len(target) in (1, batch):
        target = [int(logits[i].argmax()) if one is None else one for i, one in enumerate(target)]
    try:
        chosen = torch.as_tensor(target, device=logits.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"A target is a class index or a list of them, not {target!r}.") from error
    if chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool or chosen.dim() > 1:
        raise UsageError(f"A target is a class index or a list of them, not {target!r}.")
    if chosen.numel() == 0 or not ((chosen >= 0) & (chosen < classes)).all():
        raise UsageError(f"Target {target!r} is not one of the model's {classes} classes (0 to {classes - 1}).")
    if chosen.dim() == 0:
        return samples, chosen.expand(batch)
    if batch == 1:
        return samples.expand(len(chosen)), chosen
    if len(chosen) != batch:
        raise UsageError(f"{len(chosen)} targets were given for {batch} samples.", "Give one, or one for each.")
    return samples, chosen
