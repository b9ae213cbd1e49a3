"""A record for each picture: what a detector found in it, and masks made of the relevance of that.

`iccv21` is what the reference computes: all object queries are submitted, those it does not keep with an empty mask,
pictures go through the model one by one, sized as the reference sizes them. `clean` submits what is kept, with masks
off the upsampled map.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pycocotools import mask as rle
from torch import Tensor

from mmx.datasets.coco import CocoImage
from mmx.datasets.outlines import DamagedError, checked_code
from mmx.errors import MmxError, shown_path
from mmx.images import PIXELS_AT_ONCE
from mmx.methods import GROUPS, Method, get_method, named_methods
from mmx.results import Picture
from mmx.studies.masks import MaskProtocol, masks_from_relevance
from mmx.studies.runs import Fault, Numbered, Record
from mmx.studies.segment.data import NOTES_ON_TURNS, open_annotated
from mmx.studies.segment.detector import Detector, Found

DEFAULT_METHODS: dict[MaskProtocol, tuple[str, ...]] = {"iccv21": ("ours_no_lrp",), "clean": ("relevance",)}


@dataclass(frozen=True)
class Segmentation:
    """One way to run the test."""

    detector: Detector
    methods: tuple[Method, ...]
    protocol: MaskProtocol = "iccv21"

    def records(self, images: Sequence[Numbered[CocoImage]]) -> Iterator[Record]:
        """A record for each picture, out of one forward for all; one that cannot be used has an "error" instead."""
        opened, torn = opened_of(images)
        yield from torn
        if not opened:
            return
        found = self.detector.find([picture for _, picture in opened], self.methods)
        for (image, picture), one in zip(opened, found, strict=True):
            yield record_of(image, picture, self._found(image, one))

    def _found(self, image: CocoImage, found: Found) -> Record:
        size = image.height, image.width
        masks = {method.name: encode_masks(masks_from_relevance(
            found.relevance[method.name], input_size=found.input_size, image_size=size, protocol=self.protocol))
            for method in self.methods}
        left, top, right, bottom = found.boxes_xyxy_px.T
        return {"scores": found.scores.tolist(), "unit": self.detector.unit, "indices": found.labels.tolist(),
                "boxes_xywh_px": torch.stack([left, top, right - left, bottom - top], 1).tolist(),
                "kept": found.kept.tolist(), "masks": masks}


def opened_of(images: Sequence[Numbered[CocoImage]]) -> tuple[list[tuple[CocoImage, Picture]], list[Record]]:
    """The pictures, and the records of those that cannot be opened."""
    opened: list[tuple[CocoImage, Picture]] = []
    torn: list[Record] = []
    for _, image in images:
        try:
            opened.append((image, open_annotated(image)))
        except MmxError as error:
            torn.append(failed((image.id, image), str(error)))
    return opened, torn


def record_of(image: CocoImage, picture: Picture, found: Record) -> Record:
    """The record of a picture with what was found of it."""
    notes = [note for note in picture.notes if note in NOTES_ON_TURNS]
    return {"id": image.id, "image_hash": picture.sha256, "height": image.height, "width": image.width, **found,
            **({"notes": notes} if notes else {})}


def failed(numbered: Numbered[CocoImage], error: str) -> Record:
    """The record of a picture that cannot be used."""
    name = shown_path(numbered[1].path)
    return {"id": numbered[0], "error": error if name in error else f"{name}: {error}"}


def fault_of(images: Sequence[CocoImage], methods: Sequence[Method], classes: int) -> Fault:
    """What is wrong with a record of a run with these pictures and methods, by a detector of so many classes."""
    sizes = {image.id: (image.height, image.width) for image in images}

    def fault(record: Record) -> str | None:
        if record["id"] not in sizes:
            return f"there is no picture {record['id']}"
        height, width = sizes[record["id"]]
        if (record["height"], record["width"]) != (height, width) or not isinstance(record["image_hash"], str):
            return f"picture {record['id']} is {width} x {height} pixels"
        scores, indices, kept = record["scores"], record["indices"], record["kept"]
        boxes = np.array(record["boxes_xywh_px"], dtype=np.float64).reshape(-1, 4)
        if not len(scores) == len(indices) == len(boxes) or not np.isfinite(boxes).all():
            return "it has not a score, a class and a finite box for each object query"
        if not all(type(score) in (int, float) and 0 <= score <= 1 for score in scores):
            return "a score is no number from 0 to 1"
        if not all(type(index) is int and 0 <= index < classes for index in indices):
            return f"a class is no number below {classes}"
        if not all(type(query) is int and 0 <= query < len(scores) for query in kept) or sorted(set(kept)) != kept:
            return f"what is kept are no numbers of object queries below {len(scores)}, in order"
        masks = [record["masks"][method.name] for method in methods]
        if not all(len(one) == len(kept) for one in masks):
            return "a method has not one mask for each detection that is kept"
        try:
            for counts in (counts for one in masks for counts in one):
                checked_code(counts, height, width)
        except DamagedError as error:
            return f"of a mask, {error}"
        if not NOTES_ON_TURNS.keys() >= set(record.get("notes", ())):
            return "its notes are none that a run makes"
        return None

    return fault


def methods_named(names: Sequence[str], protocol: MaskProtocol) -> tuple[Method, ...]:
    """Each once; those of a group have the reference's accidents, under the reference's names, in `iccv21`."""
    found = [[get_method(method.aliases[0]) if method.aliases and protocol == "iccv21" and name in GROUPS else method
              for method in named_methods([name])] for name in names]
    return tuple({method.name: method for several in found for method in several}.values())


def batches(images: Sequence[CocoImage], protocol: MaskProtocol, size: int) -> list[list[Numbered[CocoImage]]]:
    """Which pictures go through the model together: one by one in `iccv21`, else those of one size, in order of id.

    At most `size`, and fewer where they are large.

    They depend on the list of pictures alone, so a run gives the same digits however it is split or broken off.
    """
    if protocol == "iccv21":
        return [[(image.id, image)] for image in images]
    found: list[list[Numbered[CocoImage]]] = []
    waiting: dict[tuple[int, int], list[Numbered[CocoImage]]] = {}
    for image in images:
        group = waiting.setdefault((image.height, image.width), [])
        group.append((image.id, image))
        if len(group) == min(size, max(1, PIXELS_AT_ONCE // (image.height * image.width))):
            found.append(waiting.pop((image.height, image.width)))
    return [*found, *waiting.values()]


def mask_results(records: Iterable[Mapping[str, Any]], method: str, protocol: MaskProtocol,
                 categories: Sequence[int | None]) -> list[Record]:
    """Detections with masks in COCO's format of results. `categories` has the id of each class, None for none."""
    results = []
    for record in records:
        size = [record["height"], record["width"]]
        empty = encode_masks(torch.zeros(1, *size, dtype=torch.bool))[0]
        masks = dict(zip(record["kept"], record["masks"][method], strict=True))
        for query in range(len(record["scores"])) if protocol == "iccv21" else record["kept"]:
            results += _result(record, query, categories,
                               segmentation={"size": size, "counts": masks.get(query, empty)})
    return results


def box_results(records: Iterable[Mapping[str, Any]], categories: Sequence[int | None]) -> list[Record]:
    """The boxes of every object query in COCO's format of results: what the detector itself is scored by."""
    return [result for record in records for query in range(len(record["scores"]))
            for result in _result(record, query, categories, bbox=record["boxes_xywh_px"][query])]


def _result(record: Mapping[str, Any], query: int, categories: Sequence[int | None], **what: Any) -> list[Record]:
    category = categories[record["indices"][query]]
    if category is None:
        return []
    return [{"image_id": record["id"], "category_id": category, **what, "score": record["scores"][query]}]


def encode_masks(masks: Tensor) -> list[str]:
    """Masks (n, height, width) as the counts of COCO's compressed run-length code."""
    columns_first = np.asfortranarray(masks.cpu().numpy().astype(np.uint8).transpose(1, 2, 0))
    codes: Any = rle.encode(columns_first) if len(masks) else []
    return [one["counts"].decode() for one in codes]
