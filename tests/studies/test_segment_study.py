"""`mmx.segment` as Python calls it."""

import csv
import json
import tempfile
from pathlib import Path

import pytest
from noise import noise
from PIL import Image
from recorder import Recorder

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.studies.segment.records import Segmentation
from mmx.studies.segment.study import SegmentationStudy

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tiny_detr: Path) -> Model:
    return mmx.load(tiny_detr)


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of four pictures, and a COCO file with one square in each."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    corners = [8, 8, 40, 8, 40, 40, 8, 40]
    for number in range(4):
        picture = noise((60, 48), 30)
        picture.paste((200, 40 * number, 30), (8, 8, 40, 40))
        picture.save(folder / f"{number}.png")
    document = {
        "images": [{"id": number, "file_name": f"{number}.png", "height": 48, "width": 60} for number in range(4)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "red circle"}],
        "annotations": [{"id": number + 1, "image_id": number, "category_id": number % 3 + 1, "bbox": [8, 8, 32, 32],
                         "segmentation": [corners]} for number in range(4)]}
    (tmp_path / "instances.json").write_text(json.dumps(document))
    return folder, tmp_path / "instances.json"


def segmented(model: Model, data: tuple[Path, Path], **changed: object) -> SegmentationStudy:
    return mmx.segment(model, *data, **{"methods": ["relevance", "rollout"], "threshold": 0.4, **changed})


def test_rows_are_the_summary_in_long_form(model: Model, data: tuple[Path, Path]) -> None:
    study = segmented(model, data)
    found, table = study.to_dict(), study.rows()
    assert len(table) == (2 + 1) * 2 * 12 and all(tuple(row) == study.columns for row in table)
    assert found["schema_version"] == 2 and found["detections_kept"] > 0
    for row in table:
        ranges = found["boxes"] if row["kind"] == "boxes" else found["methods"][row["method"]]
        assert ranges[f"iou_{row['iou_low']:.2f}_{row['iou_high']:.2f}"][row["figure"]] == row["value"]
    assert repr(study).startswith("<SegmentationStudy of ") and "4 images, iccv21: AP relevance" in repr(study)


def test_what_is_written_is_what_is_returned(model: Model, data: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    study = segmented(model, data, out=out, protocol="clean")
    assert {path.name for path in out.iterdir()} == {
        ".run.lock", "summary.json", "summary.csv", "run.json", "gallery.png", "boxes.json", "records.0-of-1.jsonl",
        "predictions.relevance.json", "predictions.rollout.json"}
    assert json.loads((out / "summary.json").read_text()) == study.to_dict()
    with (out / "summary.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    shown = [{name: "" if value is None else str(value) for name, value in row.items()} for row in study.rows()]
    assert shown == written
    assert study.plot().tobytes() == Image.open(out / "gallery.png").tobytes()
    assert SegmentationStudy.read(out).to_dict() == study.to_dict()
    [record, *_] = [json.loads(line) for line in (out / "records.0-of-1.jsonl").open()]
    assert record["unit"] == "softmax" and len(record["scores"]) == 8


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
def test_broken_off_and_resumed_ends_in_the_same_bytes(model: Model, data: tuple[Path, Path], tmp_path: Path,
                                                       protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    segmented(model, data, protocol=protocol, batch_size=2, out=tmp_path / "whole")
    records = Segmentation.records
    calls: list[int] = []

    def breaking(self: Segmentation, images: list) -> object:
        calls.append(len(images))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return records(self, images)

    monkeypatch.setattr(Segmentation, "records", breaking)
    with pytest.raises(KeyboardInterrupt):
        segmented(model, data, protocol=protocol, batch_size=2, out=tmp_path / "broken")
    told = Recorder()
    segmented(model, data, protocol=protocol, batch_size=2, out=tmp_path / "broken", resume=True, progress=told)
    assert told.total == told.done == 4 - calls[0]
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "broken" / path.name).read_bytes() == path.read_bytes()


def test_the_folder_of_a_run_without_out_is_gone(model: Model, data: tuple[Path, Path], tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert segmented(model, data, limit=1).plot().width > 100
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(("changed", "said"), [
    ({"protocol": "icv21"}, "no protocol 'icv21'"), ({"seed": 1}, "draws the pictures of `limit=`"),
    ({"methods": ["relevanse"]}, "Did you mean 'relevance'"), ({"images": None}, "go together"),
])
def test_misuse_is_named(model: Model, data: tuple[Path, Path], changed: dict, said: str) -> None:
    given = {"images": data[0], "annotations": data[1], **changed}
    with pytest.raises(UsageError, match=said):
        mmx.segment(model, **given)


def test_a_model_that_finds_nothing_is_refused(tiny_lxmert: Path) -> None:
    with pytest.raises(UsageError, match="answers questions; only a detector"):
        mmx.segment(mmx.load(tiny_lxmert), protocol="clean")
