"""LXMERT's region features, 36 a picture, as its authors hand them out: `train2014_obj36.tsv` and the like.

A line holds img_id, img_h, img_w, objects_id, objects_conf, attrs_id, attrs_conf, num_boxes, boxes and features, parted
by tabs, the arrays in base64. Files have many gigabytes: only the place of each line is kept.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmx.errors import ImageError, UsageError, shown_path

_FIELDS = 10


@dataclass(frozen=True)
class Features:
    """One picture: `boxes_xyxy_unit` (n, 4) in [0, 1], `features` (n, dim), `confidences` (n,), all float32.

    `objects` and `attributes` (n,) are indices of Visual Genome's 1600 and 400, where the file has them.
    """

    boxes_xyxy_unit: np.ndarray
    features: np.ndarray
    confidences: np.ndarray
    objects: np.ndarray | None = None
    attributes: np.ndarray | None = None


class Obj36:
    """A file of features, by the picture's name in its data set."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, int] = {}
        digest, place = hashlib.sha256(), 0
        try:
            with path.open("rb") as file:
                for line in file:
                    if line.count(b"\t") == _FIELDS - 1:
                        self._places[line[:line.index(b"\t")].decode(errors="replace")] = place
                    digest.update(line)
                    place += len(line)
        except OSError as error:
            raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
        if not self._places:
            raise UsageError(f"{shown_path(path)} has no line of {_FIELDS} fields parted by tabs.",
                             "Give LXMERT's file of features, such as val2014_obj36.tsv.")
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, image: str) -> Features:
        """Raises ImageError where the file lacks the picture or its line is broken."""
        if image not in self._places:
            raise ImageError(f"{shown_path(self.path)} has no features of {image}.", "Is it of another split?")
        with self.path.open("rb") as file:
            file.seek(self._places[image])
            line = file.readline()
        try:
            return _features(line.decode("ascii").rstrip("\r\n").split("\t"))
        except ValueError as error:
            raise ImageError(f"The features of {image} in {shown_path(self.path)} are broken ({error}).",
                             "Get the file again.") from error


def _features(fields: list[str]) -> Features:
    _, height, width, objects, confidences, attributes, _, count, boxes, features = fields
    number = int(count)
    side = np.array([float(width), float(height)] * 2, dtype=np.float32)
    return Features(_array(boxes).reshape(number, 4) / side, _array(features).reshape(number, -1), _array(confidences),
                    _indices(objects, number), _indices(attributes, number))


def _array(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)


def _indices(text: str, number: int) -> np.ndarray | None:
    """What the regions are is not needed to run a model: where it lacks, they go without names."""
    found = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    return found.view("<i8") if found.size == 8 * number else None
