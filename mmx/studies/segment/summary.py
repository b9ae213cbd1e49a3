"""What a segmentation study comes to: a document with every figure and every parameter, alike however it was run."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mmx.datasets.coco import Instances
from mmx.errors import MmxError
from mmx.files import write_atomically
from mmx.results import SCHEMA_VERSION
from mmx.studies.runs import Record, Run
from mmx.studies.segment.average_precision import Figures, average_precision
from mmx.studies.segment.categories import CategoryMap
from mmx.studies.segment.records import box_results, mask_results

HEADLINE = {"iccv21": "iou_0.20_0.95", "clean": "iou_0.50_0.95"}
"""The range of thresholds whose figures each protocol is known by."""


def summed_up(run: Run, instances: Instances, classes: CategoryMap, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a run that went through all its pictures.

    Writes boxes.json and predictions.*.json on the way, in COCO's format of results: masks are many, so those of one
    method are in memory at a time.

    Raises:
        MmxError: no picture was evaluated.
    """
    evaluated = [(record["id"], len(record["kept"])) for record in run.records()]
    if not evaluated:
        raise MmxError("No picture could be evaluated.", "The lines above say why.")
    truth, protocol = instances.truth(number for number, _ in evaluated), parameters["protocol"]
    failures = [{"sample": one["id"], "error": one["error"]} for one in run.records(failed=True)]

    def scored(name: str, results: Sequence[Record], kind: Literal["segm", "bbox"]) -> dict[str, Figures]:
        text = json.dumps(results, separators=(",", ":"), allow_nan=False)
        write_atomically(run.folder / f"{name}.json", f"{text}\n".encode())
        return average_precision(truth, results, kind)

    return {
        "schema_version": SCHEMA_VERSION, "protocol": protocol, "headline": HEADLINE[protocol],
        "classes_matched_by": classes.how, "parameters": dict(parameters),
        "samples": {"evaluated": len(evaluated), "failed": len(failures)}, "objects": len(truth["annotations"]),
        "detections_kept": sum(kept for _, kept in evaluated), "failures": failures,
        "boxes": scored("boxes", box_results(run.records(), classes.ids), "bbox"),
        "methods": {method: scored(f"predictions.{method}",
                                   mask_results(run.records(), method, protocol, classes.ids), "segm")
                    for method in parameters["methods"]},
    }
