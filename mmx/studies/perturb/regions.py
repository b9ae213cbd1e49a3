"""The regions of samples: out of the model's provider, with a cache on disk, or out of a file of features."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mmx.catalog import WEIGHTS
from mmx.datasets.vqa import VqaSample
from mmx.errors import MmxError, UsageError
from mmx.files import write_atomically
from mmx.regions.base import RegionSet
from mmx.studies.models import Picture, versions
from mmx.studies.perturb.answering import AnsweringModel, PrecomputedRegions


@dataclass(frozen=True)
class Seen:
    """A sample's regions, and what its picture was, in a hash."""

    regions: RegionSet
    picture: str


Looked = list[Seen | MmxError]


class ProvidedRegions:
    """What the model's region provider finds. `cache` is a folder, None for no cache."""

    def __init__(self, model: AnsweringModel, picture: Callable[[VqaSample], Picture], cache: Path | None) -> None:
        self._provider, self._picture, self._cache = model.provider, picture, cache
        options = model.provider_options
        self.parameters: dict[str, Any] = {"provider": self._provider.name, "options": options,
                                           "files": _hash_of_folders(options)}
        made_by = {name: versions()[name] for name in ("mmx", "torch", "torchvision", "transformers", "pillow")}
        self._identity = [self.parameters, *model.region_identity, made_by]

    def look_up(self, samples: Sequence[VqaSample]) -> Looked:
        """In order; a picture that several questions are about is looked at once, and one that fails is an error."""
        pictures: list[Picture | MmxError] = []
        for sample in samples:
            try:
                pictures.append(self._picture(sample))
            except UsageError:
                raise
            except MmxError as error:
                pictures.append(error)
        distinct = {picture.sha256: picture for picture in pictures if isinstance(picture, Picture)}
        found = self._regions(distinct)
        return [Seen(found[picture.sha256], picture.sha256) if isinstance(picture, Picture) else picture
                for picture in pictures]

    def _regions(self, pictures: Mapping[str, Picture]) -> dict[str, RegionSet]:
        """Where one is not in the cache, all are computed, so that a batch is the same in any run."""
        paths = {sha256: self._path(sha256) for sha256 in pictures}
        cached = {sha256: _read(path) for sha256, path in paths.items()}
        if all(regions is not None for regions in cached.values()):
            return {sha256: regions for sha256, regions in cached.items() if regions is not None}
        images = [picture.image for picture in pictures.values()]
        found = dict(zip(pictures, self._provider.regions(images), strict=True))
        for sha256, path in paths.items():
            if path is not None:
                write_atomically(path, _as_bytes(found[sha256]))
        return found

    def _path(self, picture: str) -> Path | None:
        if self._cache is None:
            return None
        key = hashlib.sha256(json.dumps([picture, *self._identity], sort_keys=True).encode()).hexdigest()
        return self._cache / key[:2] / f"{key}.safetensors"


class FileRegions:
    """Features that were computed before, by the picture's name; the picture itself is not needed."""

    def __init__(self, file: PrecomputedRegions) -> None:
        self._file = file
        self.parameters: dict[str, Any] = {"provider": file.name, "options": {}, "files": file.sha256}

    def look_up(self, samples: Sequence[VqaSample]) -> Looked:
        found: Looked = []
        for sample in samples:
            try:
                picture = hashlib.sha256(sample.image.encode()).hexdigest()
                found.append(Seen(self._file.named(sample.image), picture))
            except UsageError:
                raise
            except MmxError as error:
                found.append(error)
        return found


def regions_of(model: AnsweringModel, picture: Callable[[VqaSample], Picture],
               cache: Path | None) -> ProvidedRegions | FileRegions:
    """Where a model's regions come from."""
    provider = model.provider
    return FileRegions(provider) if isinstance(provider, PrecomputedRegions) else ProvidedRegions(model, picture, cache)


def cache_folder() -> Path:
    """Where region features are kept unless another folder is named."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmx" / "regions"


def _as_bytes(regions: RegionSet) -> bytes:
    told = json.dumps({"labels": regions.labels, "confidences": regions.confidences})
    tensors = {"features": regions.features.contiguous(), "boxes_xyxy_unit": regions.boxes_xyxy_unit.contiguous()}
    return save(tensors, {"told": told})


def _read(path: Path | None) -> RegionSet | None:
    """None where there is nothing, or nothing that can be read: it is made anew then."""
    if path is None or not path.is_file():
        return None
    with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError), safe_open(path, "pt") as file:
        told = json.loads(file.metadata()["told"])
        return RegionSet(file.get_tensor("features"), file.get_tensor("boxes_xyxy_unit"), tuple(told["labels"]),
                         tuple(told["confidences"]))
    return None


def _hash_of_folders(options: Mapping[str, Any]) -> str | None:
    """Over the files of every folder or shipped checkpoint that a provider's options name; None where there is none."""
    total, any_file = hashlib.sha256(), False
    for value in options.values():
        folders = [folder for folder in (WEIGHTS / str(value), Path(str(value))) if folder.is_dir()]
        for path in sorted(path for folder in folders[:1] for path in folder.iterdir() if path.is_file()):
            any_file = True
            total.update(path.name.encode())
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest() if any_file else None
