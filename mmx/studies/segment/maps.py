"""A record for each picture: how well each method's map of each category lies on the objects of that category."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmx.datasets.coco import CocoImage, Instances
from mmx.datasets.outlines import masks_of
from mmx.images import PIXELS_AT_ONCE
from mmx.methods import Method
from mmx.metrics import (
    at_centres,
    intersection_over_union,
    pixel_precision,
    pointing_hit,
    relevance_mass,
    relevance_rank,
)
from mmx.model.batching import Job
from mmx.results import Explanation, Patches, Picture
from mmx.studies.looked_at import LookedAt
from mmx.studies.runs import Fault, Numbered, Record
from mmx.studies.segment.asking import CategoriesAsked, Said
from mmx.studies.segment.data import NOTES_ON_TURNS
from mmx.studies.segment.records import opened_of, record_of

METRICS = ("pointing", "mass", "rank", "iou", "ap")
"""The order of the numbers in a record, all shares: pointing game, relevance mass, relevance rank, IoU, and average
precision of pixels."""
_DIGITS = 6
_SPREAD = 4  # of the centre's map: a fourth of each side is its standard deviation


@dataclass(frozen=True)
class Shown:
    """One thing that was explained, by every method: what is said, in `found`'s items at `said.place`."""

    said: Said
    found: Sequence[Explanation]


@dataclass(frozen=True)
class MapScores:
    """One way to run the test."""

    asking: CategoriesAsked
    methods: Sequence[Method]
    instances: Instances
    max_memory: int | None = None

    def own(self, image: CocoImage) -> tuple[int, ...]:
        """The categories of a picture's objects that can be asked about, by id."""
        notes = self.instances.annotations.get(image.id, ())
        return tuple(sorted({note["category_id"] for note in notes} & self.asking.stands_for.keys()))

    def records(self, images: Sequence[Numbered[CocoImage]]) -> Iterator[Record]:
        """A record for each picture; one that cannot be used has an "error" instead."""
        opened, torn = opened_of(images)
        yield from torn
        for (image, picture), shown in zip(opened, self.explained(opened), strict=True):
            items = [one for one in (self._item(image, one) for one in shown) if one is not None]
            yield record_of(image, picture, {"items": items})

    def explained(self, opened: Sequence[tuple[CocoImage, Picture]]) -> list[list[Shown]]:
        """Of each picture, what is said of the categories that are in it."""
        if not opened:
            return []
        pictures, own = [picture for _, picture in opened], [self.own(image) for image, _ in opened]
        asked = self.asking.asks(pictures, own)
        jobs = [(place, Job(picture, one)) for place, picture in enumerate(pictures) for one in asked[place]]
        results = self.asking.model.explain_batch([job for _, job in jobs], self.methods, max_memory=self.max_memory)
        shown: list[list[Shown]] = [[] for _ in opened]
        for (place, _), found in zip(jobs, results, strict=True):
            shown[place] += [Shown(said, found) for said in self.asking.said(found[0], own[place])]
        return shown

    def truth(self, image: CocoImage, category: int) -> np.ndarray:
        """Where objects of a category are, crowds too, (height, width) of bool."""
        codes = [note["segmentation"] for note in self.instances.annotations[image.id]
                 if note["category_id"] == category]
        return np.logical_or.reduce(masks_of(codes, image.height, image.width))

    def _item(self, image: CocoImage, shown: Shown) -> Record | None:
        """None where the model is not shown anything of the objects."""
        item, truth = shown.found[0][shown.said.place], self.truth(image, shown.said.category)
        seen = LookedAt.of(shown.found, [one[shown.said.place] for one in shown.found])
        part = _part_shown(shown.found[0], shown.said.place, truth.shape)
        inside = truth[part]
        if not inside.any():
            return None
        maps = {one.method: one.heatmap(shown.said.place) for one in shown.found}
        return {
            "category": shown.said.category, "index": item.index, "label": item.label, "score": item.score,
            "unit": item.unit, "recognised": shown.said.recognised, "area": round(float(inside.mean()), _DIGITS),
            "chance": _measured(_hits(seen, truth, np.ones(len(seen.grids))), np.ones(inside.shape), inside),
            "centre": _measured(*_centre(inside), inside),
            "methods": {name: _measured(_hits(seen, truth, _one_grid(seen, name, maps[name])), maps[name][part], inside)
                        for name in maps}}


def _measured(pointing: float, relevance: np.ndarray, truth: np.ndarray) -> list[float]:
    values = (pointing, relevance_mass(relevance.astype(np.float64), truth), relevance_rank(relevance, truth),
              intersection_over_union(relevance, truth), pixel_precision(relevance, truth))
    return [round(value, _DIGITS) for value in values]


def _hits(seen: LookedAt, truth: np.ndarray, scores: np.ndarray) -> float:
    return pointing_hit(seen.boxes_xyxy_px, scores, truth)


def _one_grid(seen: LookedAt, method: str, heatmap: np.ndarray) -> np.ndarray:
    """Where grids lie over one another, what they come to at the middle of each patch."""
    return at_centres(seen.boxes_xyxy_px, heatmap) if seen.grids.any() else seen.relevance[method]


def _part_shown(found: Explanation, place: int, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the picture that patches cover; all of it where a model looks at regions too."""
    elements = [block.element for block in found.blocks(found[place])]
    grids = [one.box_xyxy_px for one in elements if isinstance(one, Patches)]
    if not grids or any(one.kind == "regions" for one in elements):
        return slice(0, size[0]), slice(0, size[1])
    sides = np.array(grids)
    left, top = np.maximum(sides[:, :2].min(axis=0).round().astype(int), 0)
    right, bottom = sides[:, 2:].max(axis=0).round().astype(int)
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _centre(truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Whether the middle pixel is right, and a map that falls off from there, whatever is shown."""
    across, down = (np.exp(-((np.arange(side) + 0.5 - side / 2) / (side / _SPREAD))**2 / 2)
                    for side in reversed(truth.shape))
    return float(truth[truth.shape[0] // 2, truth.shape[1] // 2]), np.outer(down, across)


def batches(images: Sequence[CocoImage], size: int) -> list[list[Numbered[CocoImage]]]:
    """Which pictures go through the model together, in order of id: at most `size`, fewer where they are large."""
    found: list[list[Numbered[CocoImage]]] = []
    pixels = 0
    for image in images:
        pixels += image.height * image.width
        if not found or len(found[-1]) == size or pixels > PIXELS_AT_ONCE:
            found.append([])
            pixels = image.height * image.width
        found[-1].append((image.id, image))
    return found


def fault_of(images: Sequence[CocoImage], methods: Sequence[str], categories: Collection[int]) -> Fault:
    """What is wrong with a record of a run with these pictures, methods and categories."""
    sizes = {image.id: (image.height, image.width) for image in images}

    def fault(record: Record) -> str | None:
        if record["id"] not in sizes:
            return f"there is no picture {record['id']}"
        height, width = sizes[record["id"]]
        if (record["height"], record["width"]) != (height, width) or not isinstance(record["image_hash"], str):
            return f"picture {record['id']} is {width} x {height} pixels"
        for item in record["items"]:
            if item["category"] not in categories:
                return f"no category {item['category']} is asked about"
            if type(item["recognised"]) is not bool:
                return "it does not say whether a category is recognised"
            rows = [item["chance"], item["centre"], *(item["methods"][name] for name in methods)]
            if len(item["methods"]) != len(methods) or not all(map(_are_shares, rows)):
                return f"a method has not {len(METRICS)} numbers from 0 to 1"
        if not NOTES_ON_TURNS.keys() >= set(record.get("notes", ())):
            return "its notes are none that a run makes"
        return None

    return fault


def _are_shares(row: Any) -> bool:
    return isinstance(row, list) and len(row) == len(METRICS) and all(
        type(value) in (int, float) and 0 <= value <= 1 for value in row)
