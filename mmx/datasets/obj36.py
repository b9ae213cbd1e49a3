"""Region features in a table, as two releases hand them out: LXMERT's `train2014_obj36.tsv`, and bottom-up attention's.

A line of LXMERT's holds img_id, img_h, img_w, objects_id, objects_conf, attrs_id, attrs_conf, num_boxes, boxes and
features, one of bottom-up attention's image_id, image_w, image_h, num_boxes, boxes and features; all parted by tabs,
the arrays in base64. Files have many gigabytes: only the place of each line is kept.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmx.errors import ImageError, UsageError, shown_path

_FIELDS, _FIELDS_OF_BOTTOM_UP = 10, 6
_OBJECTS, _ATTRIBUTES = 1600, 400
_NUMBER = re.compile(r"(?:^|_)0*(\d+)$")


@dataclass(frozen=True)
class Features:
    """One picture: `boxes_xyxy_unit` (n, 4) in [0, 1], `features` (n, dim), `confidences` (n,), all float32.

    `objects` and `attributes` (n,) are indices of Visual Genome's 1600 and 400. What a file does not have is None.
    Raises ValueError where numbers lack or are not finite.
    """

    boxes_xyxy_unit: np.ndarray
    features: np.ndarray
    confidences: np.ndarray | None = None
    objects: np.ndarray | None = None
    attributes: np.ndarray | None = None

    def __post_init__(self) -> None:
        number = len(self.features)
        given = {"boxes": self.boxes_xyxy_unit, "features": self.features, "confidences": self.confidences}
        for name, rows in given.items():
            if rows is None:
                continue
            if len(rows) != number:
                raise ValueError(f"{len(rows)} {name} of {number} regions")
            good = np.isfinite(rows).reshape(number, -1).all(axis=1)
            if not good.all():
                raise ValueError(f"the {name} of region {good.argmin() + 1} of {number} are not finite")


class Obj36:
    """A file of features, by the picture's name in its data set."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        digest, place = hashlib.sha256(), 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.count(b"\t") in (_FIELDS - 1, _FIELDS_OF_BOTTOM_UP - 1):
                        self._places[line[:line.index(b"\t")].decode("utf-8-sig", "replace")] = number, place
                    digest.update(line)
                    place += len(line)
        except OSError as error:
            raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
        if not self._places:
            raise UsageError(f"{shown_path(path)} has no line of {_FIELDS} or {_FIELDS_OF_BOTTOM_UP} fields parted by "
                             "tabs.", "Give LXMERT's or bottom-up attention's file of features, such as "
                             "val2014_obj36.tsv.")
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, image: str) -> Features:
        """Raises ImageError where the file lacks the picture or its line is broken."""
        found = self._places.get(image) or self._by_number(image)
        if found is None:
            raise ImageError(f"{shown_path(self.path)} has no features of {shown_path(image)}.",
                             "Is it of another split?")
        number, place = found
        with self.path.open("rb") as file:
            file.seek(place)
            line = file.readline()
        try:
            with np.errstate(all="ignore"):
                return _features(line.rstrip(b"\r\n").split(b"\t"))
        except (ValueError, OverflowError) as error:
            raise ImageError(f"The features of {shown_path(image)} in {shown_path(self.path)}, line {number}, are "
                             f"broken ({error}).", "Get the file again.") from error

    def _by_number(self, image: str) -> tuple[int, int] | None:
        """Bottom-up attention's pictures have no names but COCO's numbers."""
        number = _NUMBER.search(image)
        return self._places.get(number[1]) if number else None


def _features(fields: list[bytes]) -> Features:
    if len(fields) == _FIELDS_OF_BOTTOM_UP:
        _, width, height, count, boxes, features = fields
        confidences, objects, attributes = None, None, None
    else:
        _, height, width, coded_objects, coded_confidences, coded_attributes, _, count, boxes, features = fields
        objects = _indices(coded_objects, int(count), _OBJECTS)
        attributes = _indices(coded_attributes, int(count), _ATTRIBUTES)
        confidences = _array(coded_confidences) if coded_confidences else None
    number = int(count)
    if number < 1:
        raise ValueError(f"{number} regions")
    return Features(_array(boxes).reshape(number, 4) / sides(width, height), _array(features).reshape(number, -1),
                    confidences, objects, attributes)


def sides(width: Any, height: Any) -> np.ndarray:
    """What boxes in pixels are divided by, (4,). Raises ValueError where no picture is so large."""
    found = np.array([float(width), float(height)] * 2, dtype=np.float32)
    if not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"its picture has {found[0]:g} x {found[1]:g} pixels")
    return found


def _array(text: bytes) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)


def _indices(text: bytes, number: int, most: int) -> np.ndarray | None:
    """What the regions are is not needed to run a model: where it lacks or makes no sense, they go without names."""
    found = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    if found.size != 8 * number:
        return None
    indices = found.view("<i8")
    return indices if ((indices >= 0) & (indices < most)).all() else None
