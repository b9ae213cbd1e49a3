"""What the model says of what it wrote where it sees no picture: whether a word is about the picture at all."""

import torch
from torch import Tensor

from mmx.arrays import Float
from mmx.engine import Described
from mmx.families.base import Family, Pixels
from mmx.wiring import Inputs


def without_picture(model: Described, inputs: Inputs, target: object) -> Float[Tensor, " items"] | None:
    """The log-probability of each item of `target` where the pictures are blank, the same before it, in nats.

    One forward of the whole batch. None of a model that writes nothing, and then nothing is run.
    """
    asking = model.asking
    if not asking.writes:
        return None
    with torch.no_grad():
        return asking.log_probabilities(model.run(blank(model.family, inputs), target), target)


def blank(family: Family, inputs: Inputs) -> Inputs:
    """The same with every pixel of the mean colour, 0 after normalisation.

    All but 0: some classes take a picture of nothing but 0 for padding and drop it (Idefics3, SmolVLM). What is 0
    already stays, as padding must.
    """
    pixels = {one.names[0] for one in family.inputs if isinstance(one, Pixels)}
    return {name: torch.where(value == 0, value, torch.finfo(value.dtype).tiny) if name in pixels else value
            for name, value in inputs.items()}
