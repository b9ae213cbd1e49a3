"""COCO's average precision and recall by pycocotools, over the thresholds that a protocol asks for.

The reference edits the installed library instead; here its parameters are set and nothing is changed.
"""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, Literal

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Figures = dict[str, float | None]
"""AP, AP50, AP75, AP_small, ..., AR1, ..., AR_large; None where the truth has no object of that size."""

# As the reference's edited library has them, and as COCO has them: to the last bit.
THRESHOLDS: dict[str, np.ndarray] = {
    "iou_0.20_0.95": np.linspace(0.2, 0.95, 16),
    "iou_0.50_0.95": np.linspace(0.5, 0.95, 10),
}
_SIZES = ("small", "medium", "large")


def average_precision(truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]],
                      kind: Literal["segm", "bbox"]) -> dict[str, Figures]:
    """The twelve figures of COCO for each range of `THRESHOLDS`.

    Args:
        truth: images, categories and annotations, as in an instances file. Every image in it counts.
        results: detections in COCO's format of results, with a mask or a box each.
    """
    with redirect_stdout(StringIO()):
        known, found = _as_coco(dict(truth)), _as_coco({**truth, "annotations": _with_areas(results, kind)})
        evaluation = COCOeval(known, found, kind)
        evaluation.params.iouThrs = np.concatenate(list(THRESHOLDS.values()))
        evaluation.evaluate()
        evaluation.accumulate()
    scores, start = {}, 0
    for name, thresholds in THRESHOLDS.items():
        rows = slice(start, start := start + len(thresholds))
        scores[name] = _figures(evaluation, thresholds, rows)
    return scores


def _as_coco(document: dict[str, Any]) -> COCO:
    coco = COCO()
    vars(coco)["dataset"] = document
    coco.createIndex()
    return coco


def _with_areas(results: Sequence[Mapping[str, Any]], kind: str) -> list[dict[str, Any]]:
    """What COCO.loadRes makes of results; it cannot take an empty list."""
    from pycocotools import mask as rle

    areas = [float(rle.area(one["segmentation"])) if kind == "segm" else one["bbox"][2] * one["bbox"][3]
             for one in results]
    return [{**one, "id": number, "area": area, "iscrowd": 0}
            for number, (one, area) in enumerate(zip(results, areas, strict=True), start=1)]


def _figures(evaluation: COCOeval, thresholds: np.ndarray, rows: slice) -> Figures:
    precision = evaluation.eval["precision"][rows]  # thresholds, recalls, categories, areas, counts
    recall = evaluation.eval["recall"][rows]  # thresholds, categories, areas, counts
    at = {name: int(np.abs(thresholds - value).argmin()) for name, value in (("AP50", 0.5), ("AP75", 0.75))}
    return {
        "AP": _mean(precision[..., 0, -1]),
        **{name: _mean(precision[row][..., 0, -1]) for name, row in at.items()},
        **{f"AP_{size}": _mean(precision[..., place, -1]) for place, size in enumerate(_SIZES, start=1)},
        **{f"AR{most}": _mean(recall[..., 0, place]) for place, most in enumerate(evaluation.params.maxDets)},
        **{f"AR_{size}": _mean(recall[..., place, -1]) for place, size in enumerate(_SIZES, start=1)},
    }


def _mean(values: np.ndarray) -> float | None:
    """pycocotools marks what no object asks for by -1."""
    counted = values[values > -1]
    return float(counted.mean()) if counted.size else None
