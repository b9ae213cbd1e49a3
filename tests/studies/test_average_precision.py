"""Average precision against the figures that COCO's own evaluation prints."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmx.datasets.coco import Instances, read_instances
from mmx.studies.segment.average_precision import average_precision

OFFICIAL = "realdata/coco/eval_val2014_100"
KINDS = ("segm", "bbox")


@pytest.fixture(scope="module")
def instances(shared: Path) -> Instances:
    return read_instances(shared / OFFICIAL / "instances_val2014_100.json", Path())


def truth_of(instances: Instances) -> dict[str, Any]:
    return instances.truth(image.id for image in instances.images)


def results_of(shared: Path, kind: str) -> list[dict[str, Any]]:
    return json.loads((shared / OFFICIAL / f"instances_val2014_fake{kind}100_results.json").read_text())


def printed(shared: Path, kind: str) -> list[float]:
    text = (shared / OFFICIAL / "val2014_fake_eval_res.txt").read_text()
    return [float(value) for value in re.findall(r"\] = (-?[\d.]+)", text.split(f"type={kind}")[1].split("type=")[0])]


@pytest.mark.parametrize("kind", KINDS)
def test_the_officially_printed_figures(shared: Path, instances: Instances, kind: str) -> None:
    found = average_precision(truth_of(instances), results_of(shared, kind), kind)["iou_0.50_0.95"]
    assert [f"{value:.3f}" for value in found.values()] == [f"{value:.3f}" for value in printed(shared, kind)]
    assert list(found) == ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR1", "AR10", "AR100",
                           "AR_small", "AR_medium", "AR_large"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "low", "count"), [("iou_0.20_0.95", 0.2, 16), ("iou_0.50_0.95", 0.5, 10)])
def test_both_ranges_to_the_last_digit_of_pycocotools(shared: Path, instances: Instances, kind: str, name: str,
                                                      low: float, count: int) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(StringIO()):
        known = COCO(shared / OFFICIAL / "instances_val2014_100.json")
        evaluation = COCOeval(known, known.loadRes(results_of(shared, kind)), kind)
        evaluation.params.iouThrs = np.linspace(low, 0.95, count)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    found = average_precision(truth_of(instances), results_of(shared, kind), kind)[name]
    assert list(found.values()) == evaluation.stats.tolist()


def square(number: int, side: int) -> dict[str, Any]:
    return {"id": number, "image_id": 1, "category_id": 3, "bbox": [0, 0, side, side], "area": side**2, "iscrowd": 0}


TRUTH = {"images": [{"id": 1, "height": 50, "width": 50}], "categories": [{"id": 3, "name": "x"}],
         "annotations": [square(1, 20)]}


def test_nothing_found_scores_0_and_no_object_of_a_size_scores_none(capsys: pytest.CaptureFixture) -> None:
    found = average_precision(TRUTH, [], "bbox")["iou_0.20_0.95"]
    assert (found["AP"], found["AP_small"], found["AP_large"]) == (0, 0, None)
    assert capsys.readouterr() == ("", "")


def test_nothing_true_scores_none() -> None:
    results = [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 5], "score": 0.9}]
    found = average_precision({**TRUTH, "annotations": []}, results, "bbox")
    assert set(found["iou_0.50_0.95"].values()) == {None}


def test_a_box_that_overlaps_by_a_quarter_counts_at_low_thresholds_alone() -> None:
    results = [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 10, 10], "score": 0.9}]
    found = average_precision(TRUTH, results, "bbox")
    assert found["iou_0.20_0.95"]["AP"] == pytest.approx(2 / 16)  # 0.20 and 0.25
    assert found["iou_0.50_0.95"]["AP"] == 0
