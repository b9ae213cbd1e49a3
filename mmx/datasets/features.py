"""Region features that were computed before: LXMERT's .tsv, or MMF's for VisualBERT as .npy files or in an LMDB.

MMF writes `NAME.npy`, features (n, dim), beside `NAME_info.npy`, a pickled dict with bbox (n, 4) in pixels,
image_width, image_height, num_boxes, objects and cls_prob; its LMDB holds all of that in one pickled dict a picture.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mmx.datasets._plain_pickle import plain_unpickled, read_npy
from mmx.datasets.obj36 import Features, Obj36, sides
from mmx.errors import ImageError, UsageError, shown_path
from mmx.files import hash_of_files

_INFO = "_info.npy"
_MOST = 2**31  # bytes that are read through for a hash: a data set has a hundred times as many


class MmfFeatures(ABC):
    """MMF's features, by the picture's name in its data set."""

    def __init__(self, path: Path, sha256: str) -> None:
        self.path, self.sha256 = path, sha256.removeprefix("sha256:")

    def __getitem__(self, image: str) -> Features:
        """Raises ImageError where the picture lacks or what is there of it is broken."""
        try:
            found = self._read(image)
            if found is not None:
                with np.errstate(all="ignore"):
                    return _features(found)
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ImageError(f"The features of {shown_path(image)} in {shown_path(self.path)} are broken ({why}).",
                             "Get them again.") from error
        raise ImageError(f"{shown_path(self.path)} has no features of {shown_path(image)}.", "Is it of another split?")

    @abstractmethod
    def _read(self, image: str) -> Mapping[str, Any] | None:
        """What MMF wrote about a picture, or None if there is nothing."""


class NpyFeatures(MmfFeatures):
    """A folder of NAME.npy and NAME_info.npy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, hash_of_files(folder.glob("*.npy"), _MOST))

    def _read(self, image: str) -> Mapping[str, Any] | None:
        features, info = self.path / f"{image}.npy", self.path / f"{image}{_INFO}"
        if not features.is_file():
            return None
        array = read_npy(features.read_bytes())
        if array.dtype.hasobject and array.ndim == 0:
            return array.item()
        if not info.is_file():
            raise ValueError(f"there is no {info.name} with its boxes")
        return {**read_npy(info.read_bytes()).item(), "features": array}


class LmdbFeatures(MmfFeatures):
    """An LMDB, in a folder or in a single file; names may have folders before them, as in "val2014/NAME"."""

    def __init__(self, path: Path) -> None:
        try:
            lmdb = import_module("lmdb")
        except ImportError as error:
            raise UsageError(f"Reading {shown_path(path)} needs the package lmdb.",
                             "Install it: pip install 'mmx[lmdb]'.") from error
        file = path / "data.mdb" if path.is_dir() else path
        super().__init__(path, hash_of_files([file], _MOST))
        self._error: type[Exception] = lmdb.Error
        try:
            self._database = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False)
            self._refuse_cut_short(file.stat().st_size)
            self._keys = {_name(key): key for key in map(_as_bytes, plain_unpickled(self._value(b"keys")))}
        except (lmdb.Error, OSError, ValueError, TypeError) as error:
            raise UsageError(f"{shown_path(path)} is no LMDB of MMF's features ({error}).", "Get it again.") from error

    def _refuse_cut_short(self, size: int) -> None:
        """It is read as memory: where the file ends too soon, the process would be killed."""
        whole = (self._database.info()["last_pgno"] + 1) * self._database.stat()["psize"]
        if size < whole:
            raise ValueError(f"it is cut short: it has {size} bytes of {whole}")

    def _value(self, key: bytes) -> bytes:
        with self._database.begin() as reading:
            return reading.get(key) or b""

    def _read(self, image: str) -> Mapping[str, Any] | None:
        if image not in self._keys:
            return None
        try:
            return plain_unpickled(self._value(self._keys[image]))
        except self._error as error:
            raise ValueError(str(error)) from error


FeatureFile = Obj36 | MmfFeatures


def open_features(path: Path) -> FeatureFile:
    """By what it is: LXMERT's .tsv, a folder of .npy files, or an LMDB. UsageError where it is none of them."""
    if (path.is_dir() and (path / "data.mdb").is_file()) or (path.is_file() and path.suffix in (".lmdb", ".mdb")):
        return LmdbFeatures(path)
    if path.is_dir():
        if next(path.glob("*.npy"), None) is None:
            raise UsageError(f"{shown_path(path)} holds no .npy files and no data.mdb.", "Give MMF's folder of them.")
        return NpyFeatures(path)
    return Obj36(path)


def _as_bytes(key: Any) -> bytes:
    if isinstance(key, str):
        return key.encode("utf-8", "surrogatepass")
    if isinstance(key, bytes):
        return key
    raise ValueError(f"one of its keys is of type {type(key).__name__}")


def _name(key: bytes) -> str:
    return key.decode("utf-8", "replace").rpartition("/")[2]


def _features(found: Any) -> Features:
    """Without padding: `num_boxes` says how many of the rows are regions."""
    if not isinstance(found, Mapping):
        raise ValueError(f"it holds no table of features but a {type(found).__name__}")
    features = np.asarray(found["features"], dtype=np.float32)
    boxes = np.asarray(found["bbox"], dtype=np.float32)
    number = min(int(found.get("num_boxes") or len(features)), len(features))
    if features.ndim != 2 or boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) < number or number < 1:
        raise ValueError(f"features {features.shape} and boxes {boxes.shape} do not fit {number} regions")
    shares = np.asarray(found["cls_prob"], dtype=np.float32) if found.get("cls_prob") is not None else None
    confidences = shares[:number, 1:].max(axis=1) if shares is not None and shares.ndim == 2 else None
    unit = boxes[:number] / sides(found["image_width"], found["image_height"])
    return Features(np.where(np.isfinite(unit), unit.clip(0, 1), unit), features[:number], confidences)
