"""`mmx segment` as a user calls it."""

import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from cli_outcome import Command
from PIL import Image

from mmx.shapes.coco import write_coco
from mmx.shapes.world import CLASSES
from mmx.studies.segment import data as data_module
from mmx.studies.segment.records import Segmentation

METHODS = ("-m", "relevance", "-m", "rollout")


@pytest.fixture(scope="session")
def tiny_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DETR of the shapes' classes that is sure of something in most pictures."""
    import torch
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-detr"
    torch.manual_seed(0)
    torch.set_num_threads(1)
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic",
                            out_features=["stage2"])
    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=16,
        encoder_layers=2, decoder_layers=2, encoder_ffn_dim=24, decoder_ffn_dim=24, encoder_attention_heads=2,
        decoder_attention_heads=2, num_queries=6, id2label=dict(enumerate(CLASSES)),
        label2id={name: index for index, name in enumerate(CLASSES)})
    network = DetrForObjectDetection(config)
    with torch.no_grad():
        network.model.query_position_embeddings.weight.normal_(0, 3)
        network.class_labels_classifier.weight.normal_(0, 2)
    network.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 48, "longest_edge": 64}).save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_coco(tmp_path / "data", range(4), 48)
    return tmp_path / "data"


@pytest.fixture
def arguments(tiny_detector: Path, data: Path) -> list[object]:
    return ["segment", "--images", data, "--annotations", data / "instances.json", "--model", tiny_detector,
            *METHODS]


@pytest.fixture
def score(mmx: Command, arguments: list[object], tmp_path: Path) -> Command:
    """With the tiny detector on four scenes, into the folder `out`; later options win over these."""
    return lambda *more: mmx(*arguments, "--out", tmp_path / "out", *more)


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize(("protocol", "first"), [("iccv21", "0.20 to 0.95"), ("clean", "0.50 to 0.95")])
def test_a_run(score: Command, tmp_path: Path, protocol: str, first: str) -> None:
    outcome = score("--protocol", protocol)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"protocol {protocol}  ")
    assert "4 pictures, " in outcome.out and "matched by name" in outcome.out
    assert outcome.out.count("(boxes)") == 2
    assert outcome.out.index(f"{first}, %") == min(outcome.out.index(f"{low} to 0.95, %") for low in ("0.20", "0.50"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".run.lock", "summary.json", "summary.csv", "run.json", "gallery.png", "boxes.json", "records.0-of-1.jsonl",
        "predictions.relevance.json", "predictions.rollout.json"}
    found = summary(tmp_path / "out")
    assert found["protocol"] == found["parameters"]["protocol"] == protocol
    assert list(found["methods"]) == ["relevance", "rollout"]
    assert found["parameters"]["model"]["revision"].startswith("sha256:")
    assert "pycocotools" in found["parameters"]["versions"]
    assert found["samples"] == {"evaluated": 4, "failed": 0} and found["detections_kept"] > 0


def test_results_are_in_the_official_format(score: Command, data: Path, tmp_path: Path) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    assert score().code == 0
    found = summary(tmp_path / "out")
    for name, kind, scores in (("predictions.rollout", "segm", found["methods"]["rollout"]),
                               ("boxes", "bbox", found["boxes"])):
        with redirect_stdout(StringIO()):
            truth = COCO(data / "instances.json")
            evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / f"out/{name}.json")), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        assert [-1 if value is None else value for value in scores["iou_0.50_0.95"].values()] == list(evaluation.stats)


def test_json_is_the_summary_and_nothing_else(score: Command, tmp_path: Path) -> None:
    outcome = score("--json", "--quiet")
    assert json.loads(outcome.out) == summary(tmp_path / "out")
    assert outcome.err == ""


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
def test_killed_and_gone_on_with_ends_in_the_same_bytes(score: Command, tmp_path: Path, protocol: str) -> None:
    out, options = tmp_path / "out", ("--protocol", protocol, "--batch-size", "3")
    score(*options)
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    records = out / "records.0-of-1.jsonl"
    lines = whole[records.name].splitlines(keepends=True)
    records.write_bytes(b"".join(lines[:2]) + lines[2][:50])
    (out / "summary.json").unlink()
    assert score(*options, "--resume").code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole


def test_a_finished_run_is_not_run_again(score: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    score()
    monkeypatch.setattr(Segmentation, "records", lambda *given: pytest.fail("ran again"))
    assert score("--resume").code == 0


def test_other_parameters_are_not_mixed_in(score: Command) -> None:
    score()
    outcome = score("--resume", "--threshold", "0.6")
    assert outcome.code == 2
    assert "had threshold 0.5, not 0.6" in outcome.error


def test_a_run_is_not_replaced_unasked(score: Command, tmp_path: Path) -> None:
    score()
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    outcome = score("--threshold", "0.6")
    assert outcome.code == 2 and "--resume" in outcome.error and "--overwrite" in outcome.error
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(("change", "wrong"), [
    ({"id": 99}, "there is no picture 99"), ({"height": 3}, "picture 0 is "), ({"kept": [0, 99]}, "what is kept"),
    ({"masks": {"relevance": ["zzzz"], "rollout": ["zzzz"]}, "kept": [0]}, "of a mask, its run lengths"),
    ({"masks": {"relevance": ["0"], "rollout": [3]}, "kept": [0]}, "of a mask, its run lengths"),
    ({"masks": {"relevance": [], "rollout": []}, "kept": [0]}, "has not one mask for each"),
    ({"masks": {}}, "it lacks 'relevance'"), ({"scores": [7]}, "has not a score, a class and a finite box"),
    ({"scores": [7] * 6}, "a score is no number from 0 to 1"), ({"indices": [99] * 6}, "a class is no number below"),
    ({"boxes_xywh_px": [[0, 0, 1e999, 1]] * 6}, "a finite box"), ({"boxes_xywh_px": [["a"] * 4] * 6}, "is no record"),
])
def test_a_record_that_was_edited_is_named(score: Command, tmp_path: Path, change: dict, wrong: str) -> None:
    score()
    path = tmp_path / "out" / "records.0-of-1.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    place = next(place for place, one in enumerate(lines) if one["id"] == 0)
    lines[place] |= change
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    outcome = score("--resume")
    assert outcome.code == 2 and f"{path}, line {place + 1}, is no record of this run: " in outcome.error
    assert wrong in outcome.error


def test_a_picture_that_was_replaced_is_noticed_on_resume(score: Command, data: Path, tmp_path: Path) -> None:
    score()
    picture = Image.open(data / "scene-1.png")
    picture.transpose(Image.Transpose.ROTATE_180).save(data / "scene-1.png")
    outcome = score("--resume")
    assert outcome.code == 2 and "features of sample 1 are no longer what they were" in outcome.error


def test_pictures_that_are_missing_or_torn_are_a_line_each(score: Command, data: Path, tmp_path: Path) -> None:
    (data / "scene-1.png").unlink()
    (data / "scene-2.png").write_bytes(b"no picture")
    outcome = score()
    assert outcome.code == 1
    missing, torn, *more = outcome.err.splitlines()
    assert "scene-1.png does not exist" in missing and "scene-2.png is no picture" in torn and more == []
    assert "2 pictures, 2 failed" in outcome.out
    assert [one["sample"] for one in summary(tmp_path / "out")["failures"]] == [1, 2]


def test_a_picture_that_came_back_is_done_on_resume(score: Command, data: Path, tmp_path: Path) -> None:
    score()
    straight = (tmp_path / "out/summary.json").read_bytes()
    hidden = (data / "scene-1.png").rename(tmp_path / "hidden.png")
    assert score("--overwrite").code == 1
    hidden.rename(data / "scene-1.png")
    assert score("--resume").code == 0
    assert (tmp_path / "out/summary.json").read_bytes() == straight


def test_no_picture_at_all_is_misuse(score: Command, data: Path) -> None:
    for picture in data.glob("*.png"):
        picture.unlink()
    outcome = score()
    assert outcome.code == 2
    assert "None of the 4 pictures" in outcome.error and "scene-0.png" in outcome.error


def test_nothing_evaluated_is_a_failure(score: Command, data: Path, tmp_path: Path) -> None:
    for picture in data.glob("*.png"):
        picture.write_bytes(b"")
    outcome = score()
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("error: No picture could be evaluated.")
    assert not (tmp_path / "out/summary.json").exists()


def test_limit_takes_the_first_and_seed_draws(score: Command, tmp_path: Path) -> None:
    def ids(*options: object) -> list[int]:
        score("--overwrite", *options)
        return sorted({one["image_id"] for one in json.loads((tmp_path / "out/boxes.json").read_text())})

    assert ids("--limit", 2) == [0, 1]
    assert ids("--limit", 2, "--seed", 1) == ids("--limit", 2, "--seed", 1)
    assert len({tuple(ids("--limit", 2, "--seed", seed)) for seed in range(4)}) > 1


def test_scenes_are_drawn_where_no_data_is_named(mmx: Command, tiny_detector: Path, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_module, "DRAWN_SCENES", 2)
    for out in ("out", "elsewhere"):
        outcome = mmx("segment", "--model", tiny_detector, "--out", tmp_path / out)
        assert (outcome.code, outcome.err) == (0, "")
    assert summary(tmp_path / "out")["samples"]["evaluated"] == 2
    assert list(summary(tmp_path / "out")["methods"]) == ["ours_no_lrp"]
    assert summary(tmp_path / "out") == summary(tmp_path / "elsewhere")


@pytest.mark.parametrize(("options", "said"), [
    (("--seed", 1), "--seed draws the pictures of --limit"), (("--method", "relevanse"), "Did you mean 'relevance'?"),
    (("--protocol", "iccv"), "iccv"), (("--threshold", 2), "threshold"), (("--limit", 0), "limit"),
    (("--annotations", "absent.json"), "absent.json cannot be read"),
])
def test_misuse(score: Command, options: tuple, said: str) -> None:
    outcome = score(*options)
    assert outcome.code == 2 and said in outcome.error


def test_images_need_annotations(mmx: Command, tiny_detector: Path, data: Path) -> None:
    outcome = mmx("segment", "--model", tiny_detector, "--images", data)
    assert outcome.code == 2 and "--images and --annotations go together" in outcome.error


def test_a_model_that_finds_nothing_is_refused(score: Command, tiny_lxmert: Path) -> None:
    outcome = score("--protocol", "clean", "--model", tiny_lxmert)
    assert outcome.code == 2 and "answers questions; only a detector of classes can be scored by masks" in outcome.error


@pytest.fixture
def score_maps(mmx: Command, data: Path, tmp_path: Path) -> Command:
    """With shapes-vit by the protocol that a model which finds nothing has by default."""
    return lambda *more: mmx("segment", "--images", data, "--annotations", data / "instances.json", "--model",
                             "shapes-vit", *METHODS, "--out", tmp_path / "out", *more)


def test_maps_of_a_classifier(score_maps: Command, tmp_path: Path) -> None:
    outcome = score_maps()
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("protocol maps  ") and "4 pictures, " in outcome.out
    assert "less relevance's" in outcome.out and "(chance)" in outcome.out and "(centre)" in outcome.out
    assert "95 % intervals over pictures" in outcome.out and "4 pictures, %" in outcome.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".run.lock", "summary.json", "summary.csv", "run.json", "gallery.png", "records.0-of-1.jsonl"}
    again = score_maps("--resume", "--json", "--quiet")
    assert json.loads(again.out) == summary(tmp_path / "out") and again.err == ""


def test_maps_of_what_a_user_calls_otherwise(score_maps: Command, data: Path, tmp_path: Path) -> None:
    document = json.loads((data / "instances.json").read_text())
    names = [one["name"] for one in document["categories"]]
    for category in document["categories"]:
        category["name"] = f"odd {category['name']}"
    (data / "instances.json").write_text(json.dumps(document))
    assert "is a class of shapes-vit by name" in score_maps().error
    (tmp_path / "synonyms.json").write_text(json.dumps({f"odd {name}": [name] for name in names}))
    assert score_maps("--synonyms", tmp_path / "synonyms.json").code == 0
    outcome = score_maps("--synonyms", tmp_path / "absent.json", "--overwrite")
    assert outcome.code == 2 and "absent.json cannot be read" in outcome.error


@pytest.mark.slow
def test_maps_of_two_processes_end_in_the_bytes_of_one(score_maps: Command, data: Path, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    score_maps("--batch-size", 1)
    other = tmp_path / "shared-out"
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "mmx", "segment", "--images",
         str(data), "--annotations", str(data / "instances.json"), "--model", "shapes-vit", *METHODS, "--out",
         str(other), "--batch-size", "1"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(other.glob("records.*-of-2.jsonl"))) == 2
    for name in ("summary.json", "summary.csv", "gallery.png"):
        assert (other / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_annotations_of_other_things_are_refused(score: Command, data: Path) -> None:
    document = json.loads((data / "instances.json").read_text())
    document["categories"][document["annotations"][0]["category_id"] - 1]["name"] = "zebra"
    (data / "instances.json").write_text(json.dumps(document))
    outcome = score()
    assert outcome.code == 2 and "it has no zebra" in outcome.error


def test_an_annotation_that_cannot_be_used_is_left_out_or_refused(score: Command, data: Path) -> None:
    document = json.loads((data / "instances.json").read_text())
    document["annotations"][0]["segmentation"] = [[3, 3, 9, 9]]
    document["categories"].append({"id": 99, "name": "background"})
    (data / "instances.json").write_text(json.dumps(document))
    outcome = score("--quiet")
    assert outcome.code == 0 and f"{len(document['annotations']) - 1} objects" in outcome.out
    assert outcome.err.startswith("note: WARNING: annotation 1 is left out: one of its polygons has 4 numbers")
    outcome = score("--strict", "--overwrite")
    assert outcome.code == 2 and "annotations that cannot be used: 1, one of its polygons has 4" in outcome.error


def test_broken_annotations_are_one_line(score: Command, data: Path) -> None:
    (data / "instances.json").write_text("{")
    outcome = score()
    assert outcome.code == 2 and "instances.json is no file of COCO instances: broken JSON" in outcome.error


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_official_pictures(mmx: Command, tiny_detector: Path, shared: Path, tmp_path: Path, split: str) -> None:
    """With crowds, gaps in ids and pictures without annotations; the classes have no names, so they go by number."""
    folder, model = shared / "realdata/coco/tinycoco_38", tmp_path / "model"
    model.mkdir()
    config = json.loads((tiny_detector / "config.json").read_text())
    _with_91_classes(tiny_detector, model, config)
    outcome = mmx("segment", "--images", folder / "images" / split, "--annotations",
                  folder / f"annotations/instances_{split}.json", "--model", model, "--limit", 6, "--quiet",
                  "--out", tmp_path / "out", "-m", "raw_attn")
    assert (outcome.code, outcome.err) == (0, "")
    assert "matched by number" in outcome.out
    results = json.loads((tmp_path / "out/predictions.raw-attention.json").read_text())
    sizes = {int(path.stem): Image.open(path).size[::-1] for path in (folder / "images" / split).iterdir()}
    assert len(results) == 6 * 6
    assert all(tuple(one["segmentation"]["size"]) == sizes[one["image_id"]] for one in results)


def _with_91_classes(source: Path, target: Path, config: dict) -> None:
    import torch
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor

    torch.manual_seed(0)
    labels = {index: f"LABEL_{index}" for index in range(91)}
    changed = DetrConfig.from_dict({**config, "id2label": labels, "label2id": {v: k for k, v in labels.items()}})
    DetrForObjectDetection(changed).save_pretrained(target)
    DetrImageProcessor.from_pretrained(source).save_pretrained(target)


def test_two_processes_end_in_the_bytes_of_one(score: Command, arguments: list[object], tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # torchrun asks for 1 by itself, not the user
    score()
    other = tmp_path / "shared-out"
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "mmx",
         *map(str, arguments), "--out", str(other)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(other.glob("records.*-of-2.jsonl"))) == 2
    for name in ("summary.json", "summary.csv", "boxes.json", "predictions.relevance.json", "gallery.png"):
        assert (other / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_shapes_as_a_coco_data_set(mmx: Command, tmp_path: Path) -> None:
    outcome = mmx("shapes", "coco", "--out", tmp_path / "set", "--count", 2, "--first-scene", 5, "--size", 32)
    assert (outcome.code, outcome.err) == (0, "")
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"scene-5.png", "scene-6.png", "instances.json"}
    assert outcome.out.startswith("2 pictures in ")
