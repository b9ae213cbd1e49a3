"""COCO annotation files, the official ones and broken ones."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle

from mmx.datasets.coco import Annotation, CocoImage, read_instances
from mmx.datasets.outlines import masks_of
from mmx.errors import UsageError
from mmx.shapes.coco import write_coco
from mmx.shapes.world import CLASSES, draw_scene, render

SQUARE = [[1, 1, 4, 1, 4, 3, 1, 3]]


HALF = np.arange(8)[None].repeat(6, 0) < 4


def document(**parts: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "b.png", "height": 6, "width": 8},
                   {"id": 3, "file_name": "a.png", "height": 6, "width": 8}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {"id": 0, "image_id": 7, "category_id": 90, "bbox": [1, 1, 3, 2], "segmentation": SQUARE},
            {"id": 5, "image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 12, "iscrowd": 1,
             "segmentation": {"size": [6, 8], "counts": [0, 12, 36]}}],
        **parts}


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "instances.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def note(**changed: Any) -> Annotation:
    return {"id": 12, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "segmentation": SQUARE, **changed}


def masks(notes: Sequence[Annotation], height: int = 6, width: int = 8) -> np.ndarray:
    return masks_of([one["segmentation"] for one in notes], height, width)


def test_pictures_come_in_order_of_id_whether_annotated_or_not(tmp_path: Path) -> None:
    found = read_instances(written(tmp_path, document()), tmp_path / "pictures")
    assert found.images == (CocoImage(3, tmp_path / "pictures" / "a.png", 6, 8),
                            CocoImage(7, tmp_path / "pictures" / "b.png", 6, 8))
    assert found.categories == {1: "cat", 90: "dog"}
    assert set(found.annotations) == {7}


def test_polygons_and_crowds_become_masks(tmp_path: Path) -> None:
    notes = read_instances(written(tmp_path, document()), tmp_path).annotations[7]
    polygon, crowd = masks(notes)
    expected = np.zeros((6, 8), bool)
    expected[1:3, 1:4] = True
    assert np.array_equal(polygon, expected)
    assert np.array_equal(crowd, np.arange(8)[None].repeat(6, 0) < 2)
    assert [(note["iscrowd"], note["area"]) for note in notes] == [(0, 6.0), (1, 12.0)]
    assert masks([]).shape == (0, 6, 8)


def test_truth_has_some_pictures_alone_and_no_id_of_0(tmp_path: Path) -> None:
    found = read_instances(written(tmp_path, document()), tmp_path)
    assert [note["id"] for note in found.truth([7])["annotations"]] == [1, 2]
    assert found.truth([3]) == {"images": [{"id": 3, "height": 6, "width": 8}], "annotations": [],
                                "categories": [{"id": 1, "name": "cat"}, {"id": 90, "name": "dog"}]}


def test_pick_takes_the_first_or_draws_by_seed(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.png", "height": 6, "width": 8} for i in range(30)]
    found = read_instances(written(tmp_path, document(images=images, annotations=[])), tmp_path)
    assert [image.id for image in found.pick(3, None)] == [0, 1, 2]
    assert len(found.pick(None, None)) == len(found.pick(99, 1)) == 30
    drawn = [[image.id for image in found.pick(5, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert drawn[0] != drawn[2]


@pytest.mark.parametrize(("content", "said"), [
    ('{"images": [', "broken JSON at line 1, column 13"), ("[]", "it holds a list"), ('"x"', "annotations"),
    ({}, "no list of images"), (document(categories={}), "no list of categories"),
    (document(annotations=[{"id": 1, "image_id": 7, "segments_info": []}]), "no category_id"),
    (document(images=[{"id": 1, "file_name": "x", "height": 2.5, "width": 1}]), "height of number 1 of its"),
    (document(images=[{"id": 1, "file_name": "x", "height": 2, "width": 1}] * 2), "two of its images share an id"),
    (document(images=[]), "annotation 0 is about a picture or a category"),
    (document(images=[{"id": 1, "file_name": "\ud800", "height": 2, "width": 1}]), "file_name of number 1"),
    (document(categories=[{"id": 1, "name": None}]), "the name of number 1 of its categories is null"),
    (document(images=[{"id": True, "file_name": "x", "height": 2, "width": 1}]), "id of number 1 of its images"),
])
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, content: Any, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        read_instances(path, tmp_path)
    assert str(path) in caught.value.message and said in caught.value.message
    assert caught.value.hint


def test_whole_numbers_may_be_written_as_fractions(tmp_path: Path) -> None:
    """As pandas and some annotation tools write them."""
    images = [{"id": 7.0, "file_name": "b.png", "height": 6.0, "width": 8.0}]
    crowd = {"size": [6.0, 8.0], "counts": [0.0, 24.0, 24.0]}
    found = read_instances(written(tmp_path, document(
        images=images, categories=[{"id": 1.0, "name": "cat"}],
        annotations=[note(image_id=7.0, category_id=1.0, iscrowd=1.0, segmentation=crowd)])), tmp_path)
    assert found.images == (CocoImage(7, tmp_path / "b.png", 6, 8),) and found.categories == {1: "cat"}
    assert np.array_equal(masks(found.annotations[7]), [HALF])
    assert "7.0" not in str(found.truth([7])["annotations"][0]["image_id"])


@pytest.mark.parametrize(("outline", "why"), [
    ([], "no outline"), (None, "no outline"), ("abc", "neither polygons nor run lengths"), ({}, "neither polygons"),
    ({"size": [6, 8], "counts": 48}, "neither polygons"), ([[1, 2]], "2 numbers"), ([[1, 1, 4, 3]], "4 numbers"),
    ([[1, 1, 4, 1, 4, 3, 1]], "7 numbers"), ([*SQUARE, [1, 1, 2, 2]], "4 numbers"),
    ([[1, 1, 2, 2], *SQUARE], "4 numbers"), ([*SQUARE, []], "0 numbers"), ([1, 1, 4, 1, 4, 3], "no list of numbers"),
    ([["1", 1, 4, 1, 4, 3]], "no list of numbers"), ([[[1, 1], [4, 1], [4, 3]]], "no list of numbers"),
    ([[1, 1, [4], 1, 4, 3]], "no list of numbers"), ([[1, 1, None, 1, 4, 3]], "no list of numbers"),
    ([[1, 1, 10**40, 1, 4, 3]], "no list of numbers"), ([[1, 1, 1e9, 1, 4, 3]], r"reaches to \(1e\+09, 1\)"),
    ([[1, 1, 4, -7, 4, 3]], r"reaches to \(4, -7\), far out of a picture of 8 x 6"),
    ([[1, 1, float("inf"), 1, 4, 3]], "not finite"), ([[1, 1, 4, float("nan"), 4, 3]], "not finite"),
    ([[0, 0, 8, 6] * 80_000], "pixels long all round"),
])
def test_an_annotation_whose_outline_says_nothing_is_left_out(tmp_path: Path, outline: Any, why: str) -> None:
    path = written(tmp_path, document(annotations=[note(id=1), note(segmentation=outline)]))
    found = read_instances(path, tmp_path)
    assert len(found.annotations[7]) == 1
    [line] = found.warnings
    assert re.search(f"annotation 12 is left out: .*{why}", line)
    with pytest.raises(UsageError, match=f"instances.json has annotations that cannot be used: 12, .*{why}"):
        read_instances(path, tmp_path, strict=True)


@pytest.mark.parametrize(("changed", "why"), [
    ({"bbox": None}, "bbox is null"), ({"bbox": [1, 2, 3]}, r"bbox is \[1, 2, 3\]"), ({"bbox": ["1", 2, 3, 4]}, "bbox"),
    ({"bbox": [0, 0, -1, 1]}, "-1 wide"), ({"bbox": [0, 0, float("nan"), 1]}, "not finite"),
    ({"bbox": [0, 0, 10**400, 1]}, "far out of a picture"), ({"bbox": [0, 0, 17, 1]}, r"reaches to \(17, 1\)"),
    ({"iscrowd": 2}, "iscrowd is 2"), ({"iscrowd": "0"}, 'iscrowd is "0"'), ({"area": -1}, "area is -1"),
    ({"area": "9"}, "area"), ({"area": float("nan")}, "area is NaN"), ({"area": 10**12}, "area is 1000000000000"),
])
def test_an_annotation_whose_other_fields_make_no_sense_is_left_out(tmp_path: Path, changed: dict, why: str) -> None:
    found = read_instances(written(tmp_path, document(annotations=[note(id=1), note(**changed)])), tmp_path)
    assert len(found.annotations[7]) == 1 and re.search(why, found.left_out[12])


@pytest.mark.parametrize(("counts", "why"), [
    ([0, 12, 35], "add up to 47 pixels, and a picture of 8 x 6 has 48"), ([10, 3 * 48], "add up to 154"),
    ([100_000, 500_000], "add up to 600000"), ([], "add up to 0"), ([50, -2], "one of its run lengths is -2"),
    ([2**64, 48 - 2**64], "run lengths is -"), ([0.5, 47.5], "not all whole"), (["0", 48], "not all whole"),
    ([True, 47], "not all whole"), ([float("nan")], "not all whole"), ([float("inf")], "not all whole"),
    ("", "no string of COCO's"), ("hello", "no string of COCO's"), ("\u00e9", "no string of COCO's"),
    ("~~~~", "no string of COCO's"), ("oooooooooooo", "no string of COCO's"), ("ooooooooo0", "no string of COCO's"),
    ("0", "add up to 0"), ("`1`1", "add up to 96"), ("0`0", "add up to 16"),
])
def test_run_lengths_that_do_not_fit_their_picture_are_damage(tmp_path: Path, counts: Any, why: str) -> None:
    outline = {"size": [6, 8], "counts": counts}
    with pytest.raises(UsageError, match=f"is damaged: of annotation 12, .*{why}"):
        read_instances(written(tmp_path, document(annotations=[note(id=1), note(segmentation=outline)])), tmp_path)


def test_run_lengths_of_a_picture_of_another_size_are_damage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"annotation 12, .* height and width \[8, 6\], and the picture has \[6, 8\]"):
        read_instances(written(tmp_path, document(annotations=[
            note(segmentation={"size": [8, 6], "counts": [0, 48]})])), tmp_path)


def test_compressed_run_lengths_decode_to_what_was_drawn(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).random((20, 6, 8)) < np.linspace(0, 1, 20)[:, None, None]
    codes = [rle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in drawn]
    notes = [note(segmentation={"size": [6, 8], "counts": code["counts"].decode()}) for code in codes]
    found = read_instances(written(tmp_path, document(annotations=notes)), tmp_path)
    assert np.array_equal(masks(found.annotations[7]), drawn)


def test_outlines_may_reach_a_little_out_of_the_picture(tmp_path: Path) -> None:
    outline = [[-2, -1, 3.5, -1, 3.5, 9, -2, 9]]
    found = read_instances(written(tmp_path, document(annotations=[note(segmentation=outline)])), tmp_path)
    assert np.array_equal(masks(found.annotations[7]), [HALF])


def test_a_file_without_outlines_is_said_to_have_boxes_only(tmp_path: Path) -> None:
    bare = {name: value for name, value in note().items() if name != "segmentation"}
    for notes in ([note(segmentation=[])] * 2, [bare] * 2):
        with pytest.raises(UsageError, match=r"has no outlines, boxes only: none of its \d annotations"):
            read_instances(written(tmp_path, document(annotations=notes)), tmp_path)
    with pytest.raises(UsageError, match=r"cannot be used: 12, .*4 numbers.*Mend it\."):
        read_instances(written(tmp_path, document(annotations=[note(segmentation=[[1, 1, 2, 2]])])), tmp_path)


def test_many_that_are_left_out_are_not_all_named(tmp_path: Path) -> None:
    notes = [note(id=1), *(note(id=number, segmentation=[]) for number in range(2, 12))]
    found = read_instances(written(tmp_path, document(annotations=notes)), tmp_path)
    assert len(found.left_out) == 10 and len(found.warnings) == 6
    assert found.warnings[-1] == "5 more annotations are left out"


@pytest.mark.parametrize("size", [(0, 8), (6, -8), (10**5, 10**5)])
def test_pictures_of_no_possible_size(tmp_path: Path, size: tuple[int, int]) -> None:
    images = [{"id": 7, "file_name": "b.png", "height": size[0], "width": size[1]}]
    with pytest.raises(UsageError, match="number 1 of its images has"):
        read_instances(written(tmp_path, document(images=images)), tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_instances(tmp_path / "absent.json", tmp_path)


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_official_files(shared: Path, split: str) -> None:
    """Crowds, category ids with gaps, pictures without annotations."""
    folder = shared / "realdata/coco/tinycoco_38"
    found = read_instances(folder / f"annotations/instances_{split}.json", folder / "images" / split)
    assert len(found.categories) == 80 and max(found.categories) == 90
    assert all(image.path.is_file() for image in found.images)
    notes = [note for several in found.annotations.values() for note in several]
    assert any(note["iscrowd"] for note in notes)


def test_scenes_written_as_coco_read_back_as_drawn(tmp_path: Path) -> None:
    seeds = range(4, 7)
    paths = write_coco(tmp_path, seeds, 48)
    assert [path.name for path in paths] == ["scene-4.png", "scene-5.png", "scene-6.png", "instances.json"]
    found = read_instances(tmp_path / "instances.json", tmp_path)
    assert list(found.categories.items()) == list(enumerate(CLASSES, start=1))
    for seed, image in zip(seeds, found.images, strict=True):
        scene, picture = draw_scene(seed), render(draw_scene(seed), 48)
        notes = found.annotations[seed]
        assert (image.id, image.path.is_file()) == (seed, True)
        assert np.array_equal(masks(notes, 48, 48), picture.masks)
        assert [found.categories[note["category_id"]] for note in notes] == [thing.name for thing in scene.things]
        assert [note["area"] for note in notes] == [mask.sum() for mask in picture.masks]
        boxes = np.array([note["bbox"] for note in notes])
        assert np.array_equal(boxes + np.pad(boxes[:, :2], ((0, 0), (2, 0))), picture.boxes_xyxy_px)
