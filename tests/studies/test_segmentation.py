"""The segmentation test against what the reference predicted and scored, and its parts by themselves."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle

from mmx.datasets.coco import CocoImage, read_instances
from mmx.errors import ImageError, UsageError
from mmx.images import open_picture
from mmx.model import load
from mmx.studies.segment.average_precision import average_precision
from mmx.studies.segment.categories import match_categories
from mmx.studies.segment.data import NOTES_ON_TURNS, lines_on_turns, open_annotated
from mmx.studies.segment.detector import Detector, reference_size, with_reference_sizes
from mmx.studies.segment.records import (
    Segmentation,
    batches,
    box_results,
    encode_masks,
    fault_of,
    mask_results,
    methods_named,
)

NAMES = ("ours_with_lrp", "ours_no_lrp", "ablation_no_self_in_10", "ablation_no_aggregation", "ours_no_lrp_no_norm",
         "transformer_att", "raw_attn", "attn_gradcam", "rollout", "partial_lrp")

Records = list[dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=["float64", "float32"])
def run(request: pytest.FixtureRequest, golden: Path, golden_detector: Path,
        golden_pictures: Path) -> tuple[str, Segmentation, Records]:
    model = load(golden_detector, dtype=request.param)
    work = Segmentation(Detector(model, reference_sizes=True), methods_named(NAMES, "iccv21"))
    images = read_instances(golden / "gt.json", golden_pictures).images
    return ("f32/" if request.param == "float32" else ""), work, [r for i in images for r in work.records([(i.id, i)])]


@pytest.fixture(scope="module")
def expected(golden: Path) -> dict[str, Any]:
    return json.loads((golden / "predictions.json").read_text())




@pytest.mark.parametrize("place", range(len(NAMES)))
def test_predictions_of_the_reference(run: tuple[str, Segmentation, Records], expected: dict[str, Any],
                                      place: int) -> None:
    prefix, work, records = run
    found = mask_results(records, work.methods[place].name, "iccv21", range(8))
    wanted = expected[prefix + NAMES[place]]["segm"]
    assert [(one["image_id"], one["category_id"]) for one in found] == [
        (one["image_id"], one["category_id"]) for one in wanted]
    assert np.allclose([one["score"] for one in found], [one["score"] for one in wanted], atol=2e-5)
    differ = sum(one["segmentation"] != other["segmentation"] for one, other in zip(found, wanted, strict=True))
    # float32 noise of LRP moves two masks; one between the reference's own float32 and float64.
    assert differ <= (2 if prefix and NAMES[place] == "ours_with_lrp" else 0)


def test_boxes_of_the_reference(run: tuple[str, Segmentation, Records], expected: dict[str, Any]) -> None:
    prefix, _, records = run
    found, wanted = box_results(records, range(8)), expected[f"{prefix}ours_no_lrp"]["bbox"]
    assert np.allclose([one["bbox"] for one in found], [one["bbox"] for one in wanted], atol=1e-3)


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_figures_of_the_reference(run: tuple[str, Segmentation, Records], golden: Path, place: int) -> None:
    prefix, work, records = run
    tolerance = 0.05 if prefix and NAMES[place] == "ours_with_lrp" else 1e-12
    stats = json.loads((golden / "coco_stats.json").read_text())[NAMES[place]]
    truth = read_instances(golden / "gt.json", golden).truth([1, 2])
    for kind, results in (("segm", mask_results(records, work.methods[place].name, "iccv21", range(8))),
                          ("bbox", box_results(records, range(8)))):
        found = average_precision(truth, results, kind)
        for ours, theirs in (("iou_0.20_0.95", "iou0.2"), ("iou_0.50_0.95", "iou0.5")):
            assert [-1 if value is None else value for value in found[ours].values()] == pytest.approx(
                stats[theirs][kind], abs=tolerance)


def test_clean_submits_what_is_kept_alone(run: tuple[str, Segmentation, Records]) -> None:
    _, work, records = run
    kept = [(record["id"], record["scores"][query]) for record in records for query in record["kept"]]
    found = mask_results(records, work.methods[0].name, "clean", range(8))
    assert [(one["image_id"], one["score"]) for one in found] == kept
    assert all(one["score"] > 0.5 for one in found) and 0 < len(found) < len(box_results(records, range(8)))


def test_clean_in_batches_gives_the_detections_of_single_pictures(golden: Path, golden_detector: Path,
                                                                  golden_pictures: Path) -> None:
    image = read_instances(golden / "gt.json", golden_pictures).images[0]
    turned = CocoImage(9, golden_pictures / "turned.png", image.height, image.width)
    Image.open(image.path).transpose(Image.Transpose.ROTATE_180).save(turned.path)
    detector = Detector(load(golden_detector, dtype="float64"))
    work = Segmentation(detector, methods_named(["relevance"], "clean"), "clean")
    alone = [record for one in (image, turned) for record in work.records([(one.id, one)])]
    together = list(work.records([(one.id, one) for one in (image, turned)]))
    for one, other in zip(alone, together, strict=True):
        assert one["kept"] and one["masks"] == other["masks"]
        assert one["scores"] == pytest.approx(other["scores"])


def test_pictures_that_cannot_be_used_become_errors_and_the_rest_goes_on(
        golden: Path, golden_detector: Path, golden_pictures: Path, tmp_path: Path) -> None:
    first, second = read_instances(golden / "gt.json", golden_pictures).images
    (tmp_path / "torn.png").write_bytes(first.path.read_bytes()[:200])
    work = Segmentation(Detector(load(golden_detector)), methods_named(["raw_attn"], "clean"), "clean")
    found = list(work.records([(one.id, one) for one in (
        CocoImage(1, tmp_path / "absent.png", 5, 5), CocoImage(2, tmp_path / "torn.png", 5, 5),
        CocoImage(3, first.path, 161, 120), second)]))
    assert [record["id"] for record in found if "error" in record] == [1, 2, 3]
    assert "absent.png does not exist" in found[0]["error"]
    assert "is 161 x 120 pixels, not 120 x 161" in found[2]["error"]
    assert "masks" in found[3]


def turned_picture(path: Path, orientation: int, size: tuple[int, int]) -> np.ndarray:
    """Writes one with its left half red; returns its pixels as they are stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, :size[0] // 2, 0] = 255
    Image.fromarray(pixels).save(path, exif=exif)
    return pixels


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_lie_as_they_were_annotated_where_the_size_tells(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.png"
    stored = turned_picture(path, orientation, (12, 8))
    upright, on_side = open_picture(path), orientation >= 5
    found = open_annotated(CocoImage(1, path, 8, 12))
    kinds = [NOTES_ON_TURNS[note] for note in found.notes if note in NOTES_ON_TURNS]
    assert np.array_equal(np.array(found.image), stored if on_side else np.array(upright.image))
    assert kinds == (["note"] if on_side else ["warning"] if orientation > 1 else [])
    if on_side:
        assert open_annotated(CocoImage(1, path, 12, 8)) == upright
    else:
        with pytest.raises(ImageError, match="is 12 x 8 pixels, not 8 x 12"):
            open_annotated(CocoImage(1, path, 12, 8))


def test_a_square_picture_does_not_tell_how_it_was_annotated(tmp_path: Path) -> None:
    turned_picture(tmp_path / "a.png", 6, (8, 8))
    found = open_annotated(CocoImage(1, tmp_path / "a.png", 8, 8))
    assert [NOTES_ON_TURNS[note] for note in found.notes if note in NOTES_ON_TURNS] == ["warning"]
    assert np.array_equal(np.array(found.image)[:, 0, 0], [255] * 4 + [0] * 4)


def test_how_turned_pictures_were_taken_is_told_once(golden_detector: Path, tmp_path: Path) -> None:
    turned_picture(tmp_path / "a.png", 6, (60, 40))
    turned_picture(tmp_path / "b.png", 3, (60, 40))
    work = Segmentation(Detector(load(golden_detector)), methods_named(["raw_attn"], "clean"), "clean")
    images = [CocoImage(number, tmp_path / name, 40, 60) for number, name in enumerate(("a.png", "a.png", "b.png"))]
    records = list(work.records([(image.id, image) for image in images]))
    assert records[0]["masks"] == records[1]["masks"] and len(records[0]["notes"]) == 1
    note, warning = lines_on_turns(records, images)
    assert note[0] == "note" and note[1].startswith("a.png and 1 more pictures: not turned as its EXIF says")
    assert warning[0] == "warning" and warning[1].startswith("b.png: turned as its EXIF says")
    assert list(lines_on_turns([{"id": 0}], images)) == []


def test_a_detector_that_keeps_nothing(golden: Path, golden_detector: Path, golden_pictures: Path) -> None:
    images = read_instances(golden / "gt.json", golden_pictures).images
    work = Segmentation(Detector(load(golden_detector), 1.0, reference_sizes=True), methods_named(["all"], "iccv21"))
    records = [record for image in images for record in work.records([(image.id, image)])]
    assert [record["kept"] for record in records] == [[], []]
    found = mask_results(records, "rollout", "iccv21", range(8))
    assert len(found) == 20 and all(rle.area(one["segmentation"]) == 0 for one in found)
    assert mask_results(records, "rollout", "clean", range(8)) == []


def test_masks_as_official_run_length_code() -> None:
    masks = torch.rand(3, 7, 5, generator=torch.Generator().manual_seed(0)) > 0.5
    decoded = [rle.decode({"size": [7, 5], "counts": counts}) for counts in encode_masks(masks)]
    assert np.array_equal(np.array(decoded, dtype=bool), masks.numpy())
    assert encode_masks(masks[:0]) == []


@pytest.mark.parametrize(("size", "short", "long", "expected"), [
    ((101, 150), 160, 216, (145, 215)),  # transformers makes 216 of it
    ((161, 120), 160, 216, (214, 160)), ((640, 480), 800, 1333, (1066, 800)), ((1000, 100), 800, 1333, (1330, 133)),
    ((800, 900), 800, 1333, (800, 900)), ((5, 5), 800, 1333, (800, 800)),
])
def test_sizes_of_the_reference(size: tuple[int, int], short: int, long: int, expected: tuple[int, int]) -> None:
    assert reference_size(size, short, long) == expected


def test_a_processor_of_one_fixed_size_is_left_alone(golden_detector: Path) -> None:
    model = load(golden_detector)
    model.processor.size = {"height": 96, "width": 96}
    assert with_reference_sizes(model) is model


def test_batches_hang_on_the_list_alone() -> None:
    sizes = [(4, 4), (4, 5), (4, 4), (4, 4), (4, 5), (9, 9)]
    images = [CocoImage(number, Path(), *size) for number, size in enumerate(sizes)]
    assert [[number for number, _ in one] for one in batches(images, "iccv21", 3)] == [[i] for i in range(6)]
    assert [[number for number, _ in one] for one in batches(images, "clean", 2)] == [[0, 2], [1, 4], [3], [5]]


def test_batches_of_large_pictures_are_small() -> None:
    images = [CocoImage(number, Path(), *size) for number, size in enumerate([(4000, 3000)] * 5 + [(9000, 9000)] * 2)]
    assert [[number for number, _ in one] for one in batches(images, "clean", 8)] == [[0, 1], [2, 3], [5], [6], [4]]


def test_all_methods_take_the_reference_s_names_in_its_protocol() -> None:
    assert {"ours_no_lrp", "ours_with_lrp", "rollout", "raw-attention"} <= {
        method.name for method in methods_named(["all"], "iccv21")}
    assert methods_named(["all"], "clean")[0].name == "relevance"
    assert [m.name for m in methods_named(["rollout", "ours_no_lrp", "rollout"], "clean")] == ["rollout", "ours_no_lrp"]


CATEGORIES = {1: "person", 3: "car"}


NAMES_BY_NUMBER = {0: "N/A", 1: "person", 2: "N/A", 3: "Car"}


@pytest.mark.parametrize(("labels", "ids", "how"), [
    (NAMES_BY_NUMBER, (0, 1, 2, 3), "number"),
    ({index: f"LABEL_{index}" for index in range(4)}, (0, 1, 2, 3), "number (its classes have no names)"),
    ({0: "car", 1: "boat", 2: "person"}, (3, None, 1), "name"),
])
def test_classes_are_matched(labels: dict[int, str], ids: tuple, how: str) -> None:
    found = match_categories(labels, CATEGORIES, set(CATEGORIES), "m")
    assert (found.ids, found.how) == (ids, how)


@pytest.mark.parametrize(("labels", "more", "ids", "how"), [
    (NAMES_BY_NUMBER, {0: "group", 99: "background"}, (None, 1, 2, 3), "number"),
    ({index: f"LABEL_{index}" for index in range(4)}, {99: "background"}, (0, 1, 2, 3),
     "number (its classes have no names)"),
    ({0: "car", 1: "boat", 2: "person"}, {0: "group", 7: "boat"}, (3, 7, 1), "name"),
    ({0: "car", 1: "boat", 2: "person"}, {0: "car", 9: "person"}, (3, None, 1), "name"),
])
def test_categories_without_objects_need_no_class(labels: dict[int, str], more: dict[int, str], ids: tuple,
                                                  how: str) -> None:
    found = match_categories(labels, {**more, **CATEGORIES}, {1, 3}, "m")
    assert (found.ids, found.how) == (ids, how)


def test_names_that_are_given_are_the_detector_s(tiny_detr: Path) -> None:
    named = Detector(load(tiny_detr, answers=["person", "boat", "car"]))
    assert match_categories(named.labels, CATEGORIES, CATEGORIES, "m").ids == (1, None, 3)
    assert Detector(load(tiny_detr)).labels == {0: "cat", 1: "dog", 2: "red circle"}


def test_classes_without_names_are_matched_by_number(tiny_detr: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_detr, tmp_path / "nameless")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {number: f"LABEL_{number}" for number in config["id2label"]}
    (folder / "config.json").write_text(json.dumps(config))
    assert match_categories(Detector(load(folder)).labels, {1: "a", 2: "b"}, {1}, "m").ids == (0, 1, 2)


@pytest.mark.parametrize(("labels", "said"), [
    ({0: "car", 1: "boat"}, "it has no person"), ({0: "LABEL_0", 1: "LABEL_1"}, "it has no person, car"),
    ({0: "car", 1: "car", 2: "person"}, "some name stands for several"),
])
def test_classes_that_do_not_match_are_refused(labels: dict[int, str], said: str) -> None:
    for used in (set(CATEGORIES), set()):
        with pytest.raises(UsageError, match=said):
            match_categories(labels, CATEGORIES, used, "m")


@pytest.mark.parametrize("counts", ["zzzz", "", "0", 7, None])
def test_masks_of_records_that_were_edited_are_told(counts: object) -> None:
    record = {"id": 31, "image_hash": "x", "height": 2, "width": 2, "scores": [0.9], "indices": [0], "kept": [0],
              "boxes_xywh_px": [[0, 0, 1, 1]], "masks": {"relevance": [counts]}}
    fault = fault_of([CocoImage(31, Path(), 2, 2)], methods_named(["relevance"], "clean"), 1)
    assert "of a mask, its run lengths" in str(fault(record))
    record["masks"]["relevance"] = encode_masks(torch.ones(1, 2, 2).bool())
    assert fault(record) is None
    assert "notes" in str(fault({**record, "notes": ["turned"]}))


def test_a_class_without_a_category_is_not_submitted() -> None:
    record = {"id": 1, "height": 2, "width": 2, "scores": [0.9, 0.8], "indices": [0, 1], "kept": [0, 1],
              "boxes_xywh_px": [[0, 0, 1, 1]] * 2, "masks": {"m": encode_masks(torch.ones(2, 2, 2).bool())}}
    assert [one["category_id"] for one in mask_results([record], "m", "clean", (None, 7))] == [7]
    assert [one["score"] for one in box_results([record], (None, 7))] == [0.8]
