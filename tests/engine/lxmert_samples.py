"""Samples of different lengths for a tiny LXMERT, and a way to describe it wrongly."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mmx.elements.providers.base import RegionSet
from mmx.elements.regions import RegionEncoder
from mmx.engine import Described
from mmx.model import Model


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
        texts, regions = self.model.parts.texts, self.model.parts.pictures
        assert texts is not None
        assert isinstance(regions, RegionEncoder)
        encoded = {**texts.collate(texts.prepare([QUESTIONS[i] for i in indices])),
                   **regions.collate([regions.prepared(made_regions(REGION_COUNTS[i], seed=i)) for i in indices])}
        return {name: value.double() if value.is_floating_point() else value for name, value in encoded.items()}


def told(model: Model, **wrong: Any) -> Described:
    """The model with a family that says something else of it."""
    return replace(model.described, family=replace(model.family, **wrong))
