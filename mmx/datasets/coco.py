"""COCO instance annotations: the pictures of a file, its categories, and the true mask of every object."""

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from mmx.errors import UsageError, shown_path

Annotation = dict[str, Any]

_HINT = "Give an instances file as COCO publishes them, such as instances_val2017.json."
_FIELDS = {"images": ("id", "file_name", "height", "width"), "categories": ("id", "name"),
           "annotations": ("id", "image_id", "category_id", "bbox", "segmentation")}


@dataclass(frozen=True)
class CocoImage:
    """One picture of an annotation file: where it should lie, and its size as the file has it."""

    id: int
    path: Path
    height: int
    width: int


@dataclass(frozen=True)
class Instances:
    """An annotation file: pictures in order of id, names by category id, annotations by picture id."""

    images: tuple[CocoImage, ...]
    categories: dict[int, str]
    annotations: dict[int, tuple[Annotation, ...]]
    sha256: str

    def pick(self, limit: int | None, seed: int | None) -> tuple[CocoImage, ...]:
        """The first `limit` pictures, or as many drawn at random by `seed`; in order of id."""
        if limit is None or limit >= len(self.images):
            return self.images
        if seed is None:
            return self.images[:limit]
        return tuple(sorted(random.Random(seed).sample(self.images, limit), key=lambda image: image.id))

    def truth(self, image_ids: Iterable[int]) -> dict[str, list[dict[str, Any]]]:
        """What pycocotools takes as ground truth, of some pictures alone."""
        wanted = set(image_ids)
        found = [note for image_id in sorted(wanted) for note in self.annotations.get(image_id, ())]
        return {
            "images": [{"id": image.id, "height": image.height, "width": image.width}
                       for image in self.images if image.id in wanted],
            "categories": [{"id": number, "name": name} for number, name in self.categories.items()],
            # pycocotools takes an annotation with id 0 for one that nothing matches.
            "annotations": [{**note, "id": number} for number, note in enumerate(found, start=1)],
        }


def read_instances(path: Path, images: Path) -> Instances:
    """Reads an annotation file; its pictures are looked for in the folder `images`. Raises UsageError."""
    data = _bytes_of(path)
    document = _parsed(data, path)
    for part, fields in _FIELDS.items():
        _check_part(document, part, fields, path)
    found = sorted((CocoImage(entry["id"], images / entry["file_name"], entry["height"], entry["width"])
                    for entry in document["images"]), key=lambda image: image.id)
    categories = {entry["id"]: entry["name"] for entry in document["categories"]}
    return Instances(tuple(found), categories, _by_image(document, found, categories, path),
                     hashlib.sha256(data).hexdigest())


def masks_of(annotations: Sequence[Annotation], height: int, width: int) -> np.ndarray:
    """The true masks, (n, height, width) bool."""
    masks = [rle.decode(encoded(note["segmentation"], height, width)) for note in annotations]
    return np.array(masks, dtype=bool).reshape(-1, height, width)


def encoded(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Polygons, counts in a list (crowds) or in a string, as pycocotools' run-length code."""
    if isinstance(segmentation, list):
        return rle.merge(rle.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return rle.frPyObjects(segmentation, height, width)
    return segmentation


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.args[-1]}).", "Check the path.") from error


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except json.JSONDecodeError as error:
        raise _wrong(path, f"broken JSON at line {error.lineno}, column {error.colno} ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"no readable JSON ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise _wrong(path, "it holds a list, as files of detections do, not annotations")
    return document


def _check_part(document: dict[str, Any], part: str, fields: Sequence[str], path: Path) -> None:
    entries = document.get(part)
    if not isinstance(entries, list):
        raise _wrong(path, f"it has no list of {part}")
    for number, entry in enumerate(entries, start=1):
        lacking = [name for name in fields if not isinstance(entry, dict) or name not in entry]
        if lacking:
            raise _wrong(path, f"number {number} of its {part} has no {lacking[0]}")
        kinds = {name: str if name in ("file_name", "name") else int for name in fields
                 if name not in ("bbox", "segmentation")}
        wrong = [name for name, kind in kinds.items() if type(entry[name]) is not kind]
        if wrong:
            raise _wrong(path, f"the {wrong[0]} of number {number} of its {part} is {json.dumps(entry[wrong[0]])[:40]}")
    ids = [entry["id"] for entry in entries]
    if len(set(ids)) < len(ids) and part != "annotations":
        raise _wrong(path, f"two of its {part} share an id")


def _by_image(document: dict[str, Any], images: Sequence[CocoImage], categories: dict[int, str],
              path: Path) -> dict[int, tuple[Annotation, ...]]:
    sizes = {image.id: (image.height, image.width) for image in images}
    found: dict[int, list[Annotation]] = {}
    for entry in document["annotations"]:
        if entry["image_id"] not in sizes or entry["category_id"] not in categories:
            raise _wrong(path, f"annotation {entry['id']} is about a picture or a category that the file does not have")
        try:
            note = _completed(entry, *sizes[entry["image_id"]])
        except Exception as error:  # pycocotools raises whatever its C code runs into
            raise _wrong(path, f"the outline of annotation {entry['id']} cannot be used") from error
        found.setdefault(entry["image_id"], []).append(note)
    return {image_id: tuple(notes) for image_id, notes in found.items()}


def _completed(entry: Annotation, height: int, width: int) -> Annotation:
    """What evaluation needs of an annotation, as run-length code; crowd and area may be left out in the file."""
    mask = encoded(entry["segmentation"], height, width)
    left, top, across, down = map(float, entry["bbox"])
    if list(mask["size"]) != [height, width]:
        raise ValueError("another size")
    return {"image_id": entry["image_id"], "category_id": entry["category_id"], "segmentation": mask,
            "bbox": [left, top, across, down], "iscrowd": int(entry.get("iscrowd", 0)),
            "area": float(entry.get("area", rle.area(mask)))}


def _wrong(path: Path, what: str) -> UsageError:
    return UsageError(f"{shown_path(path)} is no file of COCO instances: {what}.", _HINT)
