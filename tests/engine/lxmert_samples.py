"""Samples of different lengths for a tiny LXMERT, and a way to make a family that describes it wrongly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mmx.explainer import Model
from mmx.families.lxmert import Lxmert
from mmx.regions.base import RegionSet
from mmx.schedule import Schedule


def hook_count(network: torch.nn.Module) -> int:
    return sum(len(getattr(module, kind)) for module in network.modules()
               for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"))


def made_regions(count: int, seed: int) -> RegionSet:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) / 2
    return RegionSet(torch.randn(count, 12, generator=generator), torch.cat([corners, corners + 0.4], dim=1),
                     (None,) * count, (None,) * count)


QUESTIONS = ("what color is the circle?", "is the circle red", "red?")
REGION_COUNTS = (3, 6, 5)


@dataclass(frozen=True)
class Batches:
    """Samples of different lengths: encoded alone (no padding) or together."""

    model: Model

    def alone(self, index: int) -> dict[str, Tensor]:
        return self.together([index])

    def together(self, indices: list[int]) -> dict[str, Tensor]:
        encoded = self.model.family.encode(self.model.tokenizer, [QUESTIONS[i] for i in indices],
                                           [made_regions(REGION_COUNTS[i], seed=i) for i in indices])
        return {name: value.double() if value.is_floating_point() else value for name, value in encoded.items()}


class Described(Lxmert):
    """LXMERT with a schedule of the test's own."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def schedule(self, config: object) -> Schedule:
        return self._schedule
