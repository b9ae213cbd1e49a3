"""Regions of pictures whose features were computed before, found by the picture's name."""

from collections.abc import Sequence
from pathlib import Path

import torch

from mmx.datasets.features import FeatureFile
from mmx.elements.providers._names import RegionNames, region_names
from mmx.elements.providers.base import RegionSet
from mmx.errors import UsageError
from mmx.results import Picture


class PrecomputedRegions:
    """A file or folder of features, `feature_size` numbers a region."""

    def __init__(self, file: FeatureFile, feature_size: int) -> None:
        self._file, self._size = file, feature_size
        self.name = f"features of {file.path.name}"
        self._names: RegionNames | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return (self._names.warning,) if self._names is not None and self._names.warning else ()

    @property
    def sha256(self) -> str:
        return self._file.sha256

    def of(self, pictures: Sequence[Picture]) -> list[RegionSet]:
        """By the name of each picture's file, without its ending."""
        return [self.named(Path(picture.source).stem) for picture in pictures]

    def named(self, name: str) -> RegionSet:
        found = self._file[name]
        if found.features.shape[1] != self._size:
            raise UsageError(f"{self._file.path} has {found.features.shape[1]} numbers a region; the model takes "
                             f"{self._size}.", "Give the features that the model was trained on.")
        labels: tuple[str | None, ...] = (None,) * len(found.features)
        if found.objects is not None and found.attributes is not None:
            self._names = self._names or region_names(self._file.path.parent)
            labels = self._names.of(found.objects.tolist(), found.attributes.tolist())
        return RegionSet(torch.from_numpy(found.features), torch.from_numpy(found.boxes_xyxy_unit.copy()), labels,
                         (None,) * len(labels) if found.confidences is None else tuple(found.confidences.tolist()))
