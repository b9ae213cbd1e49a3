"""What the model says of what it wrote where it sees no picture: whether a word is about the picture at all."""

import torch
from torch import Tensor

from mmx.arrays import Float
from mmx.engine import Described
from mmx.wiring import Inputs, blank


def without_picture(model: Described, inputs: Inputs, target: object) -> Float[Tensor, " items"] | None:
    """The log-probability of each item of `target` where the pictures are blank, the same before it, in nats.

    One forward of the whole batch. None of a model that writes nothing, and then nothing is run.
    """
    asking = model.asking
    if not asking.writes:
        return None
    with torch.no_grad():
        return asking.log_probabilities(model.run(blank(model.family, inputs), target), target)
