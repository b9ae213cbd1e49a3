"""What is followed while things are removed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mmx.arrays import Int, Shaped
from mmx.asking import Asking
from mmx.asking.tokens import Spans
from mmx.perturbation.forwards import Read
from mmx.perturbation.removal import Inputs, Removal


@dataclass(frozen=True)
class Followed:
    """One thing that is followed.

    Attributes:
        whole: of the whole samples.
        read: of reduced inputs.
    """

    whole: Shaped[Tensor, " samples"]
    read: Read


def chosen_answers(removal: Removal, whole: Int[Tensor, " samples"]) -> Followed:
    """The index of the answer, of a model that chooses among answers."""
    return Followed(whole, lambda reduced, samples: removal.run(reduced)["logits"].argmax(dim=1))


def log_probabilities(removal: Removal, asking: Asking, target: Spans, whole: Shaped[Tensor, " samples"]) -> Followed:
    """The log-probability of what the model wrote of the whole sample, its tokens given one after another, in nats.

    Args:
        target: one item of each sample.
        whole: the log-probabilities of the whole samples.
    """
    def read(reduced: Inputs, samples: Int[Tensor, " rows"]) -> Tensor:
        left = removal.moved(target.at(samples.tolist()), reduced)
        found = asking.log_probabilities(removal.run(reduced, asking.arguments(reduced, left)), left)
        assert found is not None
        return found.to(torch.float64)

    return Followed(whole.to(torch.float64), read)
