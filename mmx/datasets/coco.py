"""COCO instance annotations: the pictures of a file, its categories, and the true mask of every object."""

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from mmx.datasets.outlines import DamagedError, OutlineError, check_reach, encoded
from mmx.errors import UsageError, shown_path

Annotation = dict[str, Any]

_HINT = "Give an instances file as COCO publishes them, such as instances_val2017.json."
_FIELDS = {"images": ("id", "file_name", "height", "width"), "categories": ("id", "name"),
           "annotations": ("id", "image_id", "category_id")}
_TEXTS = ("file_name", "name")
_MOST_PIXELS = 2**31
_MOST_NAMED = 5
_FARTHEST = 2**32
_MOST_AREA = 9
"""Times that of the picture: an outline may reach out of it."""


@dataclass(frozen=True)
class CocoImage:
    """One picture of an annotation file: its `id`, the `path` where it should lie, and its size as the file has it.

    `height` and `width` are in pixels.
    """

    id: int
    path: Path
    height: int
    width: int


@dataclass(frozen=True)
class Instances:
    """An annotation file, whose bytes have this `sha256`.

    Attributes:
        images: in order of id.
        categories: names by id.
        annotations: by picture id, with their masks as run-length code.
        left_out: which annotations cannot be used, by their id, and why.
    """

    images: tuple[CocoImage, ...]
    categories: dict[int, str]
    annotations: dict[int, tuple[Annotation, ...]]
    sha256: str
    left_out: dict[int, str] = field(default_factory=dict)

    @property
    def used_categories(self) -> frozenset[int]:
        """Those that there are objects of."""
        return frozenset(note["category_id"] for notes in self.annotations.values() for note in notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which annotations are left out, the first few with the reason."""
        named, more = list(self.left_out.items())[:_MOST_NAMED], len(self.left_out) - _MOST_NAMED
        return (*(f"annotation {number} is left out: {why}" for number, why in named),
                *([f"{more} more annotations are left out"] if more > 0 else ()))

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


def read_instances(path: Path, images: Path, *, strict: bool = False, boxes: bool = False) -> Instances:
    """Reads an annotation file; its pictures are looked for in the folder `images`.

    Args:
        boxes: an object's mask is all of its box, whether it has an outline or not.

    Raises:
        UsageError: it is no such file, its run lengths are damaged, or none of its annotations can be used; with
            `strict`, where one of them cannot.
    """
    data = _bytes_of(path)
    document = _parsed(data, path)
    parts = {part: _checked_part(document, part, fields, path) for part, fields in _FIELDS.items()}
    for number, entry in enumerate(parts["images"], start=1):
        if min(entry["height"], entry["width"]) < 1 or entry["height"] * entry["width"] > _MOST_PIXELS:
            raise _wrong(path, f"number {number} of its images has {entry['width']} x {entry['height']} pixels")
    found = sorted((CocoImage(entry["id"], images / entry["file_name"], entry["height"], entry["width"])
                    for entry in parts["images"]), key=lambda image: image.id)
    categories = {entry["id"]: entry["name"] for entry in parts["categories"]}
    annotations, left_out = _by_image(parts["annotations"], found, categories, path, boxes)
    outlines = boxes or any(entry.get("segmentation") for entry in parts["annotations"])
    if left_out and not annotations and not outlines:
        raise UsageError(f"{shown_path(path)} has no outlines, boxes only: none of its {len(left_out)} annotations has "
                         "a segmentation, and masks are scored by outlines.",
                         f"{_HINT} Maps can be scored by boxes: `boxes=True`.")
    if left_out and (strict or not annotations):
        (first, why), more = next(iter(left_out.items())), len(left_out) - 1
        raise UsageError(f"{shown_path(path)} has annotations that cannot be used: {first}, {why}"
                         f"{f', and {more} more' if more else ''}.",
                         "Mend it, or leave out strict, and they are left out." if annotations else "Mend it.")
    return Instances(tuple(found), categories, annotations, hashlib.sha256(data).hexdigest(), left_out)


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


def _checked_part(document: dict[str, Any], part: str, fields: Sequence[str], path: Path) -> list[dict[str, Any]]:
    """The entries of a part; whole numbers are taken as such where a tool wrote 320.0."""
    entries = document.get(part)
    if not isinstance(entries, list):
        raise _wrong(path, f"it has no list of {part}")
    checked = []
    for number, entry in enumerate(entries, start=1):
        lacking = [name for name in fields if not isinstance(entry, dict) or name not in entry]
        if lacking:
            raise _wrong(path, f"number {number} of its {part} has no {lacking[0]}")
        whole = {name: int(entry[name]) if type(entry[name]) is float and entry[name].is_integer() else entry[name]
                 for name in fields}
        wrong = [name for name, value in whole.items() if not _fits(name, value)]
        if wrong:
            raise _wrong(path, f"the {wrong[0]} of number {number} of its {part} is {json.dumps(entry[wrong[0]])[:40]}")
        checked.append({**entry, **whole})
    ids = [entry["id"] for entry in checked]
    if len(set(ids)) < len(ids) and part != "annotations":
        raise _wrong(path, f"two of its {part} share an id")
    return checked


def _fits(field: str, value: Any) -> bool:
    """Whether it is a whole number or a text; JSON may hold halves of letters, which no file name has."""
    if field not in _TEXTS:
        return type(value) is int
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value


def _by_image(annotations: Sequence[Annotation], images: Sequence[CocoImage], categories: dict[int, str],
              path: Path, boxes: bool) -> tuple[dict[int, tuple[Annotation, ...]], dict[int, str]]:
    """What can be used, by picture, and why the others cannot, by their own id."""
    sizes = {image.id: (image.height, image.width) for image in images}
    found: dict[int, list[Annotation]] = {}
    left_out = {}
    for entry in annotations:
        if entry["image_id"] not in sizes or entry["category_id"] not in categories:
            raise _wrong(path, f"annotation {entry['id']} is about a picture or a category that the file does not have")
        try:
            note = _completed(entry, *sizes[entry["image_id"]], boxes)
        except DamagedError as error:
            raise UsageError(f"{shown_path(path)} is damaged: of annotation {entry['id']}, {error}.",
                             "Get the file again, or take that annotation out.") from error
        except OutlineError as error:
            left_out[entry["id"]] = str(error)
        else:
            found.setdefault(entry["image_id"], []).append(note)
    return {image_id: tuple(notes) for image_id, notes in found.items()}, left_out


def _completed(entry: Annotation, height: int, width: int, boxes: bool) -> Annotation:
    """What evaluation needs of an annotation, as run-length code; crowd and area may be left out in the file."""
    mask = None if boxes else encoded(entry.get("segmentation"), height, width)
    box = _checked_box(entry.get("bbox"), height, width)
    mask = encoded([_outline_of(box)], height, width) if mask is None else mask
    crowd, area = (usual if entry.get(name) is None else entry[name]
                   for name, usual in (("iscrowd", 0), ("area", float(rle.area(mask)))))
    if crowd not in (0, 1):
        raise OutlineError(f"its iscrowd is {json.dumps(crowd)[:40]}, not 0 or 1")
    if type(area) not in (int, float) or not 0 <= area <= _MOST_AREA * height * width:
        raise OutlineError(f"its area is {json.dumps(area)[:40]}, in a picture of {width} x {height} pixels")
    return {"image_id": entry["image_id"], "category_id": entry["category_id"], "segmentation": mask,
            "bbox": box, "iscrowd": int(crowd), "area": float(area)}


def _outline_of(box: list[float]) -> list[float]:
    """The corners of a box, x before y."""
    left, top, across, down = box
    return [left, top, left + across, top, left + across, top + down, left, top + down]


def _checked_box(box: Any, height: int, width: int) -> list[float]:
    """Left, top, width and height."""
    if not isinstance(box, list) or len(box) != 4 or any(type(side) not in (int, float) for side in box):
        raise OutlineError(f"its bbox is {json.dumps(box)[:60]}, not four numbers")
    if max(map(abs, box)) > _FARTHEST:
        raise OutlineError(f"its bbox is {json.dumps(box)[:60]}, far out of a picture of {width} x {height} pixels")
    left, top, across, down = map(float, box)
    check_reach(np.array([[left, top], [left + across, top + down]]), height, width, "its bbox")
    if across < 0 or down < 0:
        raise OutlineError(f"its bbox is {across:g} wide and {down:g} high")
    return [left, top, across, down]


def _wrong(path: Path, what: str) -> UsageError:
    return UsageError(f"{shown_path(path)} is no file of COCO instances: {what}.", _HINT)
