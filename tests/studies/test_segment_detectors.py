"""`mmx.segment` with detectors other than DETR: of one stream, with sigmoids, with masks of their own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle

import mmx
from mmx.images import open_picture
from mmx.model import Model
from mmx.results import Patches
from mmx.studies.masks import masks_from_relevance
from mmx.studies.segment.detector import with_reference_sizes

pytestmark = pytest.mark.usefixtures("one_thread")
UNITS = {"tiny_yolos": "softmax", "tiny_conditional_detr": "sigmoid", "tiny_detr_segmentation": "softmax"}
SIZE = 70, 50


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, and a COCO file with one square in each."""
    folder = tmp_path_factory.mktemp("pictures")
    corners = [8, 8, 40, 8, 40, 40, 8, 40]
    for number in range(2):
        picture = Image.fromarray(np.random.default_rng(number).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8))
        picture.paste((200, 40 * number, 30), (8, 8, 40, 40))
        picture.save(folder / f"{number}.png")
    document = {
        "images": [{"id": number, "file_name": f"{number}.png", "height": SIZE[1], "width": SIZE[0]}
                   for number in range(2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "red circle"}],
        "annotations": [{"id": number + 1, "image_id": number, "category_id": number % 3 + 1, "bbox": [8, 8, 32, 32],
                         "segmentation": [corners]} for number in range(2)]}
    (folder / "instances.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module", params=UNITS)
def named(request: pytest.FixtureRequest) -> tuple[str, Model]:
    return request.param, mmx.load(request.getfixturevalue(request.param))


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
def test_masks_and_scores_are_those_of_what_is_explained(named: tuple[str, Model], data: Path, tmp_path: Path,
                                                         protocol: str) -> None:
    name, model = named
    found = mmx.segment(model, data, data / "instances.json", methods=["relevance"], protocol=protocol, threshold=0.1,
                        out=tmp_path / "out")
    assert found.document["samples"] == {"evaluated": 2, "failed": 0} and found.document["detections_kept"] > 2
    for record in map(json.loads, (tmp_path / "out" / "records.0-of-1.jsonl").open()):
        picture = open_picture(data / f"{record['id']}.png")
        explained = {item.query: item for item in model.explain(picture.image, threshold=0.1)}
        assert record["unit"] == UNITS[name] and record["kept"] == sorted(explained)
        [grid] = model.explain(picture.image, query=0).elements["image"]
        assert isinstance(grid, Patches)
        input_size = model.parts.pictures.prepare([picture])[0].size[-2:]
        for query, counts in zip(record["kept"], record["masks"]["relevance"], strict=True):
            item = explained[query]
            assert record["indices"][query] == item.index
            assert record["scores"][query] == pytest.approx(item.score, rel=1e-4)
            left, top, width, height = record["boxes_xywh_px"][query]
            assert (left, top, left + width, top + height) == pytest.approx(item.box_xyxy_px, abs=1e-3)
            maps = torch.from_numpy(item.scores["image"].reshape(1, grid.rows, grid.columns))
            [want] = masks_from_relevance(maps, input_size=input_size, image_size=SIZE[::-1], protocol=protocol)
            mask = rle.decode({"size": [*SIZE[::-1]], "counts": counts})
            assert (mask != want.numpy()).mean() < 0.01 and mask.any()


def test_pictures_are_sized_as_in_the_reference_for_what_it_knows_alone(
        tiny_detr: Path, tiny_detr_segmentation: Path, tiny_yolos: Path, tiny_conditional_detr: Path) -> None:
    """YOLOS rounds sides to whole patches, which the reference's sizes are not."""
    for folder, known in ((tiny_detr, True), (tiny_detr_segmentation, True), (tiny_yolos, False),
                          (tiny_conditional_detr, False)):
        model = mmx.load(folder)
        assert (with_reference_sizes(model) is not model) == known
