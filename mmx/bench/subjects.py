"""What is measured: a random model with inputs, what is explained of it, and the gradients that this takes at least."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from mmx.arrays import Float, Shaped
from mmx.asking import Subject as About
from mmx.asking import asking_of
from mmx.capture import Outputs
from mmx.checkpoints.families import family_of
from mmx.engine import Described
from mmx.families.base import Family
from mmx.methods import Method
from mmx.model.fitting import layout_of


@dataclass(frozen=True)
class Backward:
    """Scores whose gradients are wanted at some roots of the graph.

    Attributes:
        turns: a row for each gradient: scores of different samples share one, those of one sample have each their own.
        streams: at whose roots; none are all of them.
    """

    scores: Float[Tensor, " scores"]
    turns: Float[Tensor, "turns scores"]
    streams: Sequence[str] = ()

    @classmethod
    def together(cls, scores: Float[Tensor, " scores"], *streams: str) -> "Backward":
        """Of scores of different samples."""
        return cls(scores, torch.ones_like(scores)[None], streams)

    @classmethod
    def each(cls, scores: Float[Tensor, " scores"], *streams: str) -> "Backward":
        """Of scores of one sample."""
        return cls(scores, torch.eye(len(scores), dtype=scores.dtype, device=scores.device), streams)


def predicted(outputs: Outputs) -> list[Backward]:
    """Of each sample's own prediction."""
    return [Backward.together(outputs["logits"].max(dim=1).values)]


@dataclass(frozen=True)
class Subject:
    """A model with one batch of inputs.

    Attributes:
        tokens: how many tokens its longest stream has, which memory is set against.
        target: what is explained, in the terms of its kind of score.
        backwards: of the outputs, the gradients that explaining takes at least.
    """

    name: str
    model: Described
    inputs: dict[str, Shaped[Tensor, "_batch ..."]]
    tokens: int
    target: object = None
    backwards: Callable[[Outputs], list[Backward]] = predicted
    start_layers: Mapping[str, int] = field(default_factory=dict)

    def takes(self, method: Method) -> bool:
        """Whether a method is defined on it."""
        return not method.why_not(layout_of(self.model.family, self.model.network.config))

    def on(self, device: str, dtype: torch.dtype = torch.float32) -> "Subject":
        """The same, moved to a device."""
        nn.Module.to(self.model.network, device, dtype)
        self.inputs.update({name: value.to(device, dtype if value.is_floating_point() else None)
                            for name, value in self.inputs.items()})
        return self


def described(network: PreTrainedModel, family: Family | None = None) -> Described:
    """A network with frozen parameters as the engine takes it; its family is looked up where none is given."""
    network = network.eval().requires_grad_(False)
    network.config.architectures = [type(network).__name__]
    name = type(network).__name__
    family = family or family_of(network.config, name)[1]
    labels = [str(index) for index in range(network.config.num_labels or 0)]
    about = About(name, family.does, network.config, lambda: labels, family.needs)
    return Described(network, family, asking_of(family, about))
