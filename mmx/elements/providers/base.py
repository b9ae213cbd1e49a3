"""What a region provider gives, whichever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from PIL.Image import Image
from torch import Tensor

from mmx.arrays import Float
from mmx.errors import unknown_name
from mmx.registry import load_module, module_names


@dataclass(frozen=True)
class RegionSet:
    """The regions of one picture.

    `boxes_xyxy_unit` are in shares of width and height, 0 to 1; `labels` and `confidences` are there where the
    provider names what it found.
    """

    features: Float[Tensor, "regions dim"]
    boxes_xyxy_unit: Float[Tensor, "regions 4"]
    labels: tuple[str | None, ...]
    confidences: tuple[float | None, ...]

    @classmethod
    def read(cls, features: Tensor, boxes_xyxy_unit: Tensor, labels: Sequence[str | None],
             confidences: Sequence[float | None]) -> "RegionSet | None":
        """None where there are not as many of everything, or a number is not finite."""
        number = len(features)
        if features.dim() != 2 or boxes_xyxy_unit.shape != (number, 4) or {len(labels), len(confidences)} != {number}:
            return None
        found = cls(features, boxes_xyxy_unit, tuple(labels), tuple(confidences))
        return found if found.is_finite else None

    @property
    def is_finite(self) -> bool:
        """Whether every number is."""
        return bool(self.features.isfinite().all() and self.boxes_xyxy_unit.isfinite().all())


@runtime_checkable
class RegionProvider(Protocol):
    """Finds the regions of pictures."""

    name: str

    def regions(self, images: Sequence[Image]) -> list[RegionSet]: ...


def check_feature_size(provider: str, given: int, wanted: int) -> None:
    """ValueError where a provider's features do not fit the model."""
    if given != wanted:
        raise ValueError(f"{provider} gives {given} features a region, and the model takes {wanted}")


def make_provider(options: dict[str, Any], device: str, feature_size: int) -> RegionProvider:
    """The provider that `options["provider"]` names, for features of `feature_size` numbers."""
    name = options.get("provider", "")
    known = module_names("elements.providers")
    if name not in known:
        raise unknown_name("region provider", str(name), known)
    return load_module("elements.providers", name).build(options, device, feature_size)
