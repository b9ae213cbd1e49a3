"""Regions of pictures: from a region provider, or from features that were computed before."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmx.arrays import Float, Int, Shaped
from mmx.capture import Outputs
from mmx.checkpoints.catalog import REGION_DETECTOR, REGION_FEATURES, WEIGHTS
from mmx.checkpoints.loading import read_extra, resolve
from mmx.datasets.features import FeatureFile, open_features
from mmx.elements.base import Encoder, Located, Prepared
from mmx.elements.precomputed import PrecomputedRegions
from mmx.elements.providers.base import RegionProvider, RegionSet, make_provider
from mmx.errors import CheckpointError, UsageError
from mmx.files import hash_of_files
from mmx.results import Asked, Picture, Region, Regions
from mmx.wiring import Inputs

_WAYS = (f"Fetch it where there is a network ('mmx models pull {REGION_DETECTOR}'), or give its folder, "
         '`regions={"provider": "frcnn", "checkpoint": FOLDER}`, or features, `features=FILE`; '
         '`regions={"provider": "grid"}` runs without, and answers mean nothing then.')
_USUAL_REGIONS = 36
_DETECTORS = ("checkpoint", "detector")  # the options that name one


class RegionEncoder(Encoder):
    about = "regions"

    @property
    def feature_size(self) -> int:
        """Numbers of a region."""
        return int(getattr(self.context.config, self.declared.size))

    @cached_property
    def _own(self) -> dict[str, Any] | None:
        """Those that the checkpoint was trained on, where that is known."""
        said = read_extra(self.context.source, "regions.json")
        return said or ({"provider": "frcnn"} if self.feature_size == REGION_FEATURES else None)

    @property
    def options(self) -> dict[str, Any]:
        """Which region provider it is, and how it is set."""
        return dict(self.context.given.regions or self._own or {"provider": "grid"})

    @property
    def provider(self) -> str:
        return self.source_of_regions.name

    @cached_property
    def _features(self) -> FeatureFile:
        assert self.context.given.features is not None
        return open_features(self.context.given.features)

    @property
    def beside(self) -> dict[str, str]:
        if self.context.given.features is not None:
            return {"features": f"sha256:{self._features.sha256}"}
        content = content_of_options(self.options)
        if content is None:  # a grid is known by its provider's name
            return {}
        told = json.dumps([self.options, content], sort_keys=True, default=str)
        return {"regions": f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"}

    @cached_property
    def source_of_regions(self) -> RegionProvider | PrecomputedRegions:
        """Features that were computed before, else what was asked for, else what the checkpoint was trained on."""
        given, name = self.context.given, self.context.source.name
        if given.features is not None:
            return PrecomputedRegions(self._features, self.feature_size)
        try:
            return make_provider(self.options, self.context.device, self.feature_size)
        except CheckpointError as error:
            if given.regions is not None or self.options != {"provider": "frcnn"}:
                raise
            raise CheckpointError(f"{name} takes the regions of a detector: {error.message}", _WAYS) from error
        except (UsageError, LookupError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, UsageError | ValueError) else repr(error)
            if isinstance(error, UsageError) and given.regions is not None:
                raise
            if given.regions is not None:
                raise UsageError(f"These regions do not fit {name}: {why}.") from error
            raise CheckpointError(f"The regions.json of {name} cannot be used: {why}") from error

    @property
    def takes_any(self) -> bool:
        return not isinstance(self.source_of_regions, PrecomputedRegions)

    def load(self) -> str:
        return self.provider

    @property
    def warnings(self) -> tuple[str, ...]:
        provider = self.__dict__.get("source_of_regions")
        return (*self._warnings, *getattr(provider, "warnings", ()))

    @cached_property
    def _warnings(self) -> tuple[str, ...]:
        given, own, name = self.context.given.regions, self._own, self.context.source.name
        if self.context.given.features is not None:
            return ()
        if given is not None and own is not None and dict(given) != own and own != {"provider": given["provider"]}:
            return (f"{name} was trained on other regions than these: its answers mean little",)
        if given is not None or own is not None:
            return ()
        return (f"{name} names no region detector, so regions are cells of a plain grid: a model that was trained on "
                "detector features answers at random from these",)

    def regions_of(self, pictures: Sequence[Picture]) -> list[RegionSet]:
        """A picture that several questions are about is looked at once."""
        distinct = {picture.sha256: picture for picture in pictures}
        looked = list(distinct.values())
        provider = self.source_of_regions
        sets = (provider.of(looked) if isinstance(provider, PrecomputedRegions)
                else provider.regions([picture.image for picture in looked if picture.image is not None]))
        found = dict(zip(distinct, sets, strict=True))
        return [found[picture.sha256] for picture in pictures]

    def prepare(self, given: Sequence[Picture]) -> list[Prepared]:
        return [self.prepared(regions, picture.size)
                for picture, regions in zip(given, self.regions_of(given), strict=True)]

    def foreseen(self, given: Sequence[Picture]) -> list[Prepared]:
        """No detector runs: as many regions are reckoned with as most find."""
        if self.context.given.features is not None or self.options["provider"] == "grid":
            return self.prepare(given)
        features, boxes = torch.zeros(_USUAL_REGIONS, self.feature_size), torch.zeros(_USUAL_REGIONS, 4)
        return [Prepared({"features": features, "boxes": boxes}, ()) for _ in given]

    def prepared(self, found: RegionSet, size_px: tuple[int, int] = (1, 1)) -> Prepared:
        """Regions that are known already, of a picture of this width and height."""
        boxes = found.boxes_xyxy_unit * torch.tensor([*size_px, *size_px])
        regions = tuple(Region(tuple(box), label, confidence) for box, label, confidence in
                        zip(boxes.tolist(), found.labels, found.confidences, strict=True))
        return Prepared({"features": found.features, "boxes": found.boxes_xyxy_unit},
                        (Regions(regions, self.provider),))

    def collate(self, prepared: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch regions ..."]]:
        """Padded to the most regions of a batch."""
        features, boxes = (pad_sequence([one.tensors[name] for one in prepared], batch_first=True)
                           for name in ("features", "boxes"))
        counts = torch.tensor([len(one.tensors["features"]) for one in prepared])
        return self._named(features, boxes, (torch.arange(features.shape[1]) < counts[:, None]).long())

    def _named(self, features: Float[Tensor, "batch regions dim"], boxes: Float[Tensor, "batch regions 4"],
               mask: Int[Tensor, "batch regions"]) -> dict[str, Shaped[Tensor, "batch regions ..."]]:
        """By the model's own names."""
        declared = self.declared
        return {declared.features: features, **({declared.boxes: boxes} if declared.boxes else {}), declared.mask: mask,
                **{name: torch.full_like(mask, value) for name, value in declared.constants.items()}}

    def located(self, prepared: Prepared, inputs: Inputs, outputs: Outputs, sample: int, asked: Asked) -> Located:
        """Without what its batch padded it by."""
        [regions] = prepared.elements
        shown = torch.arange(inputs[self.declared.features].shape[1]) < len(regions)
        return Located(self.part, prepared.elements, shown)

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        boxes = torch.tensor([[[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 1, 1]]])
        features = torch.randn(1, 4, self.feature_size, generator=generator)
        return self._named(features, boxes, torch.ones(1, 4, dtype=torch.long))


def content_of_options(options: Mapping[str, Any]) -> str | None:
    """SHA-256 over the files of each detector that options name, a folder, a shipped name or a hub id; or None."""
    found = []
    for value in (str(options[name]) for name in _DETECTORS if name in options):
        folder = next((one for one in (WEIGHTS / value, os.path.expanduser(value)) if os.path.isdir(one)), None)
        found.append(resolve(value).commit if folder is None else
                     hash_of_files(path for path in Path(folder).iterdir() if path.is_file()))
    return hashlib.sha256(" ".join(map(str, found)).encode()).hexdigest() if found else None


ENCODER = RegionEncoder
