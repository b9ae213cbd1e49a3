"""COCO annotation files, the official ones and broken ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmx.datasets.coco import CocoImage, masks_of, read_instances
from mmx.errors import UsageError
from mmx.shapes.coco import write_coco
from mmx.shapes.world import CLASSES, draw_scene, render

SQUARE = [[1, 1, 4, 1, 4, 3, 1, 3]]


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


def test_pictures_come_in_order_of_id_whether_annotated_or_not(tmp_path: Path) -> None:
    found = read_instances(written(tmp_path, document()), tmp_path / "pictures")
    assert found.images == (CocoImage(3, tmp_path / "pictures" / "a.png", 6, 8),
                            CocoImage(7, tmp_path / "pictures" / "b.png", 6, 8))
    assert found.categories == {1: "cat", 90: "dog"}
    assert set(found.annotations) == {7}


def test_polygons_and_crowds_become_masks(tmp_path: Path) -> None:
    notes = read_instances(written(tmp_path, document()), tmp_path).annotations[7]
    polygon, crowd = masks_of(notes, 6, 8)
    expected = np.zeros((6, 8), bool)
    expected[1:3, 1:4] = True
    assert np.array_equal(polygon, expected)
    assert np.array_equal(crowd, np.arange(8)[None].repeat(6, 0) < 2)
    assert [(note["iscrowd"], note["area"]) for note in notes] == [(0, 6.0), (1, 12.0)]
    assert masks_of([], 6, 8).shape == (0, 6, 8)


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
])
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, content: Any, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        read_instances(path, tmp_path)
    assert str(path) in caught.value.message and said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("outline", [[], [[1, 2]], None, {"size": [2, 2], "counts": [0, 4]}, {}, "abc"])
def test_an_outline_that_is_none_is_refused(tmp_path: Path, outline: Any) -> None:
    note = {"id": 12, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "segmentation": outline}
    with pytest.raises(UsageError, match="outline of annotation 12 cannot be used"):
        read_instances(written(tmp_path, document(annotations=[note])), tmp_path)


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
        assert np.array_equal(masks_of(notes, 48, 48), picture.masks)
        assert [found.categories[note["category_id"]] for note in notes] == [thing.name for thing in scene.things]
        assert [note["area"] for note in notes] == [mask.sum() for mask in picture.masks]
        boxes = np.array([note["bbox"] for note in notes])
        assert np.array_equal(boxes + np.pad(boxes[:, :2], ((0, 0), (2, 0))), picture.boxes_xyxy_px)
