"""What a segmentation run comes to: a document with every figure and every parameter, alike however it was run."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmx.datasets.coco import Instances
from mmx.results import SCHEMA_VERSION
from mmx.studies.runs import Record, Run
from mmx.studies.segment.average_precision import Scores, average_precision
from mmx.studies.segment.categories import CategoryMap
from mmx.studies.segment.records import box_results, mask_results

HEADLINE = {"iccv21": "iou_0.20_0.95", "clean": "iou_0.50_0.95"}
"""The range of thresholds whose figures each protocol is known by."""


class Summary:
    """The figures of one run, gathered method by method so that one method's masks are in memory at a time."""

    def __init__(self, run: Run, instances: Instances, classes: CategoryMap, parameters: Mapping[str, Any]) -> None:
        self._run, self._classes, self._parameters = run, classes, parameters
        self._ids, self._kept = [], 0
        for record in run.records():
            self._ids.append(record["id"])
            self._kept += len(record["kept"])
        self.failures = list(run.records(failed=True))
        self._truth = instances.truth(self._ids)
        self._boxes: dict[str, Scores] = {}
        self._methods: dict[str, dict[str, Scores]] = {}

    @property
    def evaluated(self) -> int:
        return len(self._ids)

    def score_boxes(self) -> Sequence[Record]:
        """Scores the detector itself; returns its boxes in COCO's format of results."""
        results = box_results(self._run.records(), self._classes.ids)
        self._boxes = average_precision(self._truth, results, "bbox")
        return results

    def score_method(self, method: str) -> Sequence[Record]:
        """Scores one method's masks; returns them in COCO's format of results."""
        results = mask_results(self._run.records(), method, self._parameters["protocol"], self._classes.ids)
        self._methods[method] = average_precision(self._truth, results, "segm")
        return results

    def document(self) -> dict[str, Any]:
        protocol = self._parameters["protocol"]
        return {
            "schema_version": SCHEMA_VERSION, "protocol": protocol, "headline": HEADLINE[protocol],
            "classes_matched_by": self._classes.how, "parameters": dict(self._parameters),
            "images": {"evaluated": self.evaluated, "failed": len(self.failures)},
            "objects": len(self._truth["annotations"]), "detections_kept": self._kept,
            "failures": [{"image_id": one["id"], "error": one["error"]} for one in self.failures],
            "boxes": self._boxes, "methods": self._methods,
        }
