"""`mmx.segment` by the protocol maps: any model, asked about categories, against an independent calculation."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recorder import Recorder

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.shapes.coco import write_coco
from mmx.shapes.world import CLASSES, draw_scene, render
from mmx.studies.segment.map_study import MapStudy
from mmx.studies.segment.map_summary import _Sums
from mmx.studies.segment.maps import METRICS, MapScores

pytestmark = pytest.mark.usefixtures("one_thread")

SCENES, SIZE = range(3), 288
METHODS = ["relevance", "raw-attention"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scenes")
    write_coco(folder, SCENES, SIZE)
    return folder, folder / "instances.json"


@pytest.fixture(scope="module")
def vit() -> Model:
    return mmx.load("shapes-vit")


def scored(model: Model, data: tuple[Path, Path], out: Path, **changed: object) -> tuple[MapStudy, list[dict]]:
    study = mmx.segment(model, *data, **{"methods": METHODS, "protocol": "maps", "out": out, **changed})
    assert isinstance(study, MapStudy)
    return study, [json.loads(line) for line in (out / "records.0-of-1.jsonl").open()]


def truth_of(scene: int, name: str) -> np.ndarray:
    picture, things = render(draw_scene(scene), SIZE), draw_scene(scene).things
    return np.any([mask for mask, thing in zip(picture.masks, things, strict=True) if thing.name == name], axis=0)


def names_in(scene: int) -> set[str]:
    return {thing.name for thing in draw_scene(scene).things}


def by_hand(heatmap: np.ndarray, point: tuple[int, int], truth: np.ndarray) -> list[float]:
    """Every figure of a map over the whole picture, with the (row, column) that is pointed at."""
    positive = np.maximum(heatmap.astype(float), 0)
    order = np.argsort(-heatmap.ravel(), kind="stable")
    hits = truth.ravel()[order]
    at = positive >= positive.mean()
    found = np.cumsum(hits)
    precision = float((hits * found / np.arange(1, len(hits) + 1)).sum() / hits.sum())
    return [float(truth[point]), float(positive[truth].sum() / positive.sum()), float(hits[:truth.sum()].mean()),
            float((at & truth).sum() / (at | truth).sum()), precision]


def middle_of_the_best(patches: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(patches.argmax(), patches.shape)
    rows, columns = patches.shape
    return int((row + 0.5) * SIZE / rows), int((column + 0.5) * SIZE / columns)


def test_a_classifier_against_an_independent_calculation(vit: Model, data: tuple[Path, Path], tmp_path: Path) -> None:
    _, records = scored(vit, data, tmp_path / "out")
    assert [record["id"] for record in records] == list(SCENES)
    for record in records:
        assert {CLASSES[item["category"] - 1] for item in record["items"]} == names_in(record["id"])
        for item in record["items"]:
            name = CLASSES[item["category"] - 1]
            truth, source = truth_of(record["id"], name), data[0] / f"scene-{record['id']}.png"
            predicted = vit.explain(source)
            assert item["recognised"] == (predicted[0].label == name)
            for method in METHODS:
                explained = vit.explain(source, method=method, target=name)
                scores = explained[0].scores["image"]
                side = int(np.sqrt(len(scores)))
                point = middle_of_the_best(scores.reshape(side, side))
                assert item["methods"][method] == pytest.approx(by_hand(explained.heatmap(), point, truth), abs=2e-3)
                assert (item["label"], item["score"]) == (name, pytest.approx(explained[0].score, abs=1e-6))
            assert item["area"] == pytest.approx(truth.mean(), abs=1e-6)
            assert item["chance"][1:] == pytest.approx([truth.mean()] * 4, abs=1e-6)
            assert item["chance"][0] == pytest.approx(truth[12::24, 12::24].mean(), abs=1e-6)
            assert item["centre"][0] == float(truth[SIZE // 2, SIZE // 2])


def test_only_the_part_that_is_shown_counts(data: tuple[Path, Path], tmp_path: Path) -> None:
    """A picture whose sides CLIP's processor cuts off: of an object there the model cannot know."""
    folder = tmp_path / "wide"
    folder.mkdir()
    wide = Image.new("RGB", (2 * SIZE, SIZE))
    wide.paste(Image.open(data[0] / "scene-0.png"), (SIZE // 2, 0))
    wide.save(folder / "wide.png")
    box = {"iscrowd": 0, "image_id": 0, "category_id": 1}
    notes = [{**box, "id": 1, "bbox": [0, 0, 40, 40], "segmentation": [[0, 0, 40, 0, 40, 40, 0, 40]]},
             {**box, "id": 2, "bbox": [SIZE, 0, 72, 144], "category_id": 2,
              "segmentation": [[SIZE, 0, SIZE + 72, 0, SIZE + 72, 144, SIZE, 144]]}]
    document = {"images": [{"id": 0, "file_name": "wide.png", "height": SIZE, "width": 2 * SIZE}],
                "categories": [{"id": number, "name": CLASSES[number - 1]} for number in (1, 2)], "annotations": notes}
    (folder / "instances.json").write_text(json.dumps(document))
    [record] = scored(mmx.load("shapes-clip"), (folder, folder / "instances.json"), tmp_path / "out")[1]
    [item] = record["items"]
    assert item["category"] == 2, "the other one is not shown"
    assert item["area"] == pytest.approx(0.125, abs=0.01) and item["chance"][0] == pytest.approx(0.125, abs=0.01)


def test_an_object_may_be_all_of_its_box(vit: Model, data: tuple[Path, Path], tmp_path: Path) -> None:
    document = json.loads(data[1].read_text())
    for note in document["annotations"]:
        del note["segmentation"]
    (tmp_path / "boxes.json").write_text(json.dumps(document))
    asked = (data[0], tmp_path / "boxes.json")
    with pytest.raises(UsageError, match="has no outlines, boxes only") as raised:
        scored(vit, asked, tmp_path / "out")
    assert "boxes=True" in (raised.value.hint or "")
    study, [record] = scored(vit, asked, tmp_path / "out", boxes=True, limit=1)
    assert study.document["parameters"]["truth"] == "boxes"
    for item in record["items"]:
        inside = np.zeros((SIZE, SIZE), bool)
        for note in document["annotations"]:
            if note["image_id"] == 0 and note["category_id"] == item["category"]:
                left, top, across, down = map(round, note["bbox"])
                inside[top:top + down, left:left + across] = True
        assert item["area"] == pytest.approx(inside.mean(), abs=2e-3)


def test_texts_of_all_categories_compete(data: tuple[Path, Path], tmp_path: Path) -> None:
    clip = mmx.load("shapes-clip")
    study, records = scored(clip, data, tmp_path / "out", template="a {name}", limit=2)
    assert study.document["parameters"]["template"] == "a {name}"
    used = {name for scene in SCENES for name in names_in(scene)}
    for record in records:
        texts = [f"a {name}" for name in CLASSES if name in used]
        explained = clip.explain(data[0] / f"scene-{record['id']}.png", text=texts)
        best = explained.predictions[0].label
        for item in record["items"]:
            assert item["label"] == f"a {CLASSES[item['category'] - 1]}"
            assert item["recognised"] == (item["label"] == best)


@pytest.mark.parametrize("name", ["shapes-lxmert", "shapes-vlm"])
def test_models_that_answer_are_asked_whether_it_is_there(name: str, data: tuple[Path, Path], tmp_path: Path) -> None:
    study, [record] = scored(mmx.load(name), data, tmp_path / "out", limit=1)
    assert study.document["categories"]["orange star" if "orange star" in names_in(0) else min(names_in(0))][
        "stands_for"][0].startswith("is there a")
    assert len(record["items"]) == len(names_in(0))
    assert all(item["label"] == "yes" and item["recognised"] == (item["score"] > 0.5) for item in record["items"])


def test_detections_are_scored_by_their_class(data: tuple[Path, Path], tmp_path: Path) -> None:
    detector = mmx.load("shapes-detr")
    study, [record] = scored(detector, data, tmp_path / "out", limit=1)
    found = detector.explain(data[0] / "scene-0.png")
    expected = sorted(item.label for item in found if item.label in names_in(0))
    assert sorted(item["label"] for item in record["items"]) == expected
    assert study.document["groups"]["recognised"]["items"] == len(expected)


def test_intervals_are_over_pictures() -> None:
    """Means over items, resampled picture by picture, by a loop."""
    random = np.random.default_rng(3)
    names, pictures = ("chance", "centre", "a", "b"), []
    for count in (1, 4, 2, 7, 1, 3):
        own = random.random((count, len(names), len(METRICS))).round(6)
        pictures.append([{"chance": one[0], "centre": one[1], "methods": {"a": one[2], "b": one[3]}} for one in own])
    sums = _Sums(names)
    for items in [*pictures, []]:
        sums.add(items)
    found = sums.summary("a")
    assert (found["pictures"], found["items"], found["difference_to"]) == (6, 18, "a")
    draws = np.concatenate([drawn for generator in [np.random.default_rng(0)]
                            for drawn in (generator.integers(6, size=(100, 6)) for _ in range(20))])
    for place, metric in enumerate(METRICS):
        less = [[item["methods"]["b"][place] - item["methods"]["a"][place] for item in items] for items in pictures]
        means = [np.mean([value for one in draw for value in less[one]]) for draw in draws]
        expected = {"mean": np.mean([value for one in less for value in one]), "low": np.quantile(means, 0.025),
                    "high": np.quantile(means, 0.975)}
        assert found["differences"]["b"][metric] == pytest.approx(expected, abs=1e-9)


def test_rows_are_the_summary_in_long_form(vit: Model, data: tuple[Path, Path], tmp_path: Path) -> None:
    study, _ = scored(vit, data, tmp_path / "out")
    table = study.rows()
    assert len(table) == 2 * len(METRICS) * (len(METHODS) + 2) and all(tuple(row) == study.columns for row in table)
    for row in table:
        group = study.document["groups"][row["group"]]
        found = group["methods"][row["method"]] if row["kind"] == "method" else group[row["kind"]]
        assert found[row["metric"]]["mean"] == row["mean"] and row["pictures"] > 0 and row["items"] >= row["pictures"]
        assert (row["difference"] is None) == (row["method"] != "raw-attention")
    assert repr(study).startswith("<MapStudy of shapes-vit, ") and "pointing relevance" in repr(study)
    assert MapStudy.read(tmp_path / "out").to_dict() == study.to_dict()
    assert study.plot().size == Image.open(tmp_path / "out/gallery.png").size


def test_broken_off_and_resumed_ends_in_the_same_bytes(vit: Model, data: tuple[Path, Path], tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    scored(vit, data, tmp_path / "whole", batch_size=1)
    records, calls = MapScores.records, []

    def breaking(self: MapScores, images: list) -> object:
        calls.append(len(images))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return records(self, images)

    monkeypatch.setattr(MapScores, "records", breaking)
    with pytest.raises(KeyboardInterrupt):
        scored(vit, data, tmp_path / "broken", batch_size=1)
    with (tmp_path / "broken/records.0-of-1.jsonl").open("ab") as file:
        file.write(b'{"id": 2, "image_h')
    monkeypatch.setattr(MapScores, "records", records)
    scored(vit, data, tmp_path / "broken", batch_size=1, resume=True)
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "broken" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(("change", "wrong"), [
    ({"id": 99}, "there is no picture 99"), ({"height": 3}, "picture 0 is "), ({"items": 3}, "another kind"),
    ({"items": [{"category": 99}]}, "no category 99"), ({"items": [{}]}, "it lacks 'category'"),
])
def test_a_record_that_was_edited_is_named(vit: Model, data: tuple[Path, Path], tmp_path: Path, change: dict,
                                           wrong: str) -> None:
    scored(vit, data, tmp_path / "out", limit=1)
    path = tmp_path / "out/records.0-of-1.jsonl"
    path.write_text(json.dumps(json.loads(path.read_text()) | change) + "\n")
    with pytest.raises(UsageError, match="line 1, is no record of this run: ") as raised:
        scored(vit, data, tmp_path / "out", limit=1, resume=True)
    assert wrong in str(raised.value)


@pytest.mark.parametrize("value", [[0.5] * 4, [2, 0, 0, 0, 0], [True] * 5, "ab"])
def test_numbers_that_were_edited_are_noticed(vit: Model, data: tuple[Path, Path], tmp_path: Path,
                                              value: object) -> None:
    scored(vit, data, tmp_path / "out", limit=1)
    path = tmp_path / "out/records.0-of-1.jsonl"
    record = json.loads(path.read_text())
    record["items"][0]["methods"]["relevance"] = value
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(UsageError, match="a method has not 5 numbers from 0 to 1"):
        scored(vit, data, tmp_path / "out", limit=1, resume=True)


def test_a_picture_that_is_missing_is_a_line(vit: Model, data: tuple[Path, Path], tmp_path: Path) -> None:
    for path in data[0].glob("*"):
        if path.name != "scene-1.png":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    told = Recorder()
    study, _ = scored(vit, (tmp_path, tmp_path / "instances.json"), tmp_path / "out", progress=told)
    assert study.document["samples"] == {"evaluated": 2, "failed": 1, "without_category": 0}
    assert ["scene-1.png does not exist" in text for _, text in told.lines] == [True]


def test_pictures_without_a_known_category_are_not_run(vit: Model, data: tuple[Path, Path], tmp_path: Path) -> None:
    document, told = json.loads(data[1].read_text()), Recorder()
    for category in document["categories"]:
        category["name"] = category["name"] if category["name"] in names_in(0) else f"odd {category['name']}"
    (tmp_path / "instances.json").write_text(json.dumps(document))
    study, records = scored(vit, (data[0], tmp_path / "instances.json"), tmp_path / "out", progress=told)
    alone = [scene for scene in SCENES if not names_in(scene) & names_in(0)]
    assert study.document["samples"]["without_category"] == len(alone)
    assert {record["id"] for record in records} == set(SCENES) - set(alone)
    assert len(told.lines) == bool(alone)


def test_synonyms_name_what_names_do_not(vit: Model, data: tuple[Path, Path], tmp_path: Path) -> None:
    document = json.loads(data[1].read_text())
    for category in document["categories"]:
        category["name"] = f"odd {category['name']}"
    (tmp_path / "instances.json").write_text(json.dumps(document))
    asked = (data[0], tmp_path / "instances.json")
    with pytest.raises(UsageError, match="No category of the annotation file is a class of shapes-vit by name"):
        scored(vit, asked, tmp_path / "out")
    name = min(names_in(0))
    (tmp_path / "synonyms.json").write_text(json.dumps({f"odd {name}": [name]}))
    study, _ = scored(vit, asked, tmp_path / "out", synonyms=tmp_path / "synonyms.json", progress=Recorder())
    assert study.document["categories"][f"odd {name}"]["stands_for"] == [name]


@pytest.mark.parametrize(("options", "said"), [
    ({"template": "a {name}"}, "no template of texts fits it"), ({"protocol": "odd"}, "There is no protocol 'odd'"),
    ({"protocol": "clean"}, "only a detector of classes can be scored by masks"),
    ({"protocol": "clean", "template": "x"}, "are of the protocol 'maps'"),
    ({"protocol": "clean", "boxes": True}, "are of the protocol 'maps'")])
def test_misuse(vit: Model, data: tuple[Path, Path], tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        scored(vit, data, tmp_path / "out", **options)


@pytest.mark.parametrize(("template", "said"), [("a thing", "has no {name}"), ("{nam}", "has other fields"),
                                                ("{name", "has other fields")])
def test_templates_that_say_nothing(data: tuple[Path, Path], tmp_path: Path, template: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        scored(mmx.load("shapes-clip"), data, tmp_path / "out", template=template)
