"""The pictures of samples as a model takes them: regions, with a cache on disk or out of a file, or pixels."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mmx.datasets.vqa import VqaSample
from mmx.elements import Encoder, Prepared
from mmx.elements.precomputed import PrecomputedRegions
from mmx.elements.providers.base import RegionSet
from mmx.elements.regions import RegionEncoder, content_of_options
from mmx.errors import MmxError, UsageError
from mmx.files import write_atomically
from mmx.images import PIXELS_AT_ONCE, hash_of_file
from mmx.results import Picture
from mmx.studies.models import versions
from mmx.studies.perturb.answering import AnsweringModel
from mmx.studies.perturb.samples import VqaData


@dataclass(frozen=True)
class Seen:
    """A sample's picture as the model takes it, and what the picture was, in a hash."""

    prepared: Prepared
    picture: str


Looked = list[Seen | MmxError]


class Pictures(Protocol):
    """Where the pictures of samples come from. `parameters` has all that decides what the model sees of them."""

    parameters: Mapping[str, Any]

    def look_up(self, samples: Sequence[VqaSample]) -> Looked:
        """In order; one that fails is an error."""
        ...

    def hash_of(self, sample: VqaSample) -> str | None:
        """What the picture is now, as in `Seen`, without running anything; None where it cannot be read or changed."""
        ...


class OpenedPictures:
    """Pictures that are opened, and encoded each once."""

    def __init__(self, encoder: Encoder, data: VqaData) -> None:
        self._encoder, self._data = encoder, data
        self._hash = cache(hash_of_file)
        self.parameters: Mapping[str, Any] = {"provider": None}

    def look_up(self, samples: Sequence[VqaSample]) -> Looked:
        """A picture that several questions are about is looked at once, and few large ones are open together."""
        prepared: dict[str, Prepared] = {}
        waiting: dict[str, Picture] = {}
        found: list[str | MmxError] = []
        for sample in samples:
            picture = _tried(self._data.picture, sample)
            found.append(picture.sha256 if isinstance(picture, Picture) else picture)
            if isinstance(picture, Picture) and picture.sha256 not in prepared:
                waiting[picture.sha256] = picture
            if sum(width * height for width, height in (one.size for one in waiting.values())) > PIXELS_AT_ONCE:
                prepared |= self._prepared(waiting)
                waiting = {}
        prepared |= self._prepared(waiting)
        return [Seen(prepared[one], one) if isinstance(one, str) else one for one in found]

    def hash_of(self, sample: VqaSample) -> str | None:
        path = _tried(self._data.path, sample)
        return self._hash(path) if isinstance(path, Path) else None

    def _prepared(self, pictures: Mapping[str, Picture]) -> dict[str, Prepared]:
        return dict(zip(pictures, self._encoder.prepare(list(pictures.values())), strict=True))


class ProvidedRegions(OpenedPictures):
    """What the model's region provider finds. `kept_in` is the cache's folder, None for no cache."""

    def __init__(self, encoder: RegionEncoder, data: VqaData, kept_in: Path | None) -> None:
        super().__init__(encoder, data)
        self._regions_of, self._cache = encoder, kept_in
        self.parameters: Mapping[str, Any] = {"provider": encoder.provider, "options": encoder.options,
                           "sha256": content_of_options(encoder.options)}
        made_by = {name: versions()[name] for name in ("mmx", "torch", "torchvision", "transformers", "pillow")}
        self._identity = [self.parameters, encoder.feature_size, encoder.context.device.partition(":")[0], made_by]

    def _prepared(self, pictures: Mapping[str, Picture]) -> dict[str, Prepared]:
        return {sha256: self._regions_of.prepared(regions) for sha256, regions in self._regions(pictures).items()}

    def _regions(self, pictures: Mapping[str, Picture]) -> dict[str, RegionSet]:
        """Where one is not in the cache, all are computed, so that a batch is the same in any run."""
        paths = {sha256: self._path(sha256) for sha256 in pictures}
        cached = {sha256: _read(path) for sha256, path in paths.items()}
        if all(regions is not None for regions in cached.values()):
            return {sha256: regions for sha256, regions in cached.items() if regions is not None}
        found = dict(zip(pictures, self._regions_of.regions_of(list(pictures.values())), strict=True))
        for sha256, path in paths.items():
            if path is not None and found[sha256].is_finite:
                write_atomically(path, _as_bytes(found[sha256]))
        return found

    def _path(self, picture: str) -> Path | None:
        if self._cache is None:
            return None
        key = hashlib.sha256(json.dumps([picture, *self._identity], sort_keys=True).encode()).hexdigest()
        return self._cache / key[:2] / f"{key}.safetensors"


class FileRegions:
    """Features that were computed before, by the picture's name; the picture itself is not needed."""

    def __init__(self, encoder: RegionEncoder, file: PrecomputedRegions) -> None:
        self._encoder, self._file = encoder, file
        self.parameters: Mapping[str, Any] = {"provider": file.name, "options": {}, "sha256": file.sha256}

    def look_up(self, samples: Sequence[VqaSample]) -> Looked:
        return [_tried(self._seen, sample) for sample in samples]

    def hash_of(self, sample: VqaSample) -> str | None:
        seen = _tried(self._seen, sample)
        return seen.picture if isinstance(seen, Seen) else None

    def _seen(self, sample: VqaSample) -> Seen:
        regions = self._file.named(sample.image)
        told = hashlib.sha256(sample.image.encode())
        for tensor in (regions.features, regions.boxes_xyxy_unit):
            told.update(tensor.contiguous().numpy().tobytes())
        return Seen(self._encoder.prepared(regions), told.hexdigest())


def pictures_of(model: AnsweringModel, data: VqaData, kept_in: Path | None) -> Pictures:
    """Where what a model sees comes from."""
    encoder = model.pictures
    if not isinstance(encoder, RegionEncoder):
        return OpenedPictures(encoder, data)
    provider = encoder.source_of_regions
    if isinstance(provider, PrecomputedRegions):
        return FileRegions(encoder, provider)
    return ProvidedRegions(encoder, data, kept_in)


def _tried(read: Callable[[VqaSample], Any], sample: VqaSample) -> Any:
    """What is read, or why it cannot be; what was asked for wrongly ends the run."""
    try:
        return read(sample)
    except UsageError:
        raise
    except MmxError as error:
        return error


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
        return RegionSet.read(file.get_tensor("features"), file.get_tensor("boxes_xyxy_unit"), told["labels"],
                              told["confidences"])
    return None
