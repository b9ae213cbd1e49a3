"""The Visual Genome Faster R-CNN; `../shared/golden/check.py frcnn` compares it with the reference's own numbers."""

import os
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from frcnn_folder import SMALL, write_detector
from PIL import Image
from safetensors.torch import load_file, save_file

from mmx import load_region_detector
from mmx.elements.providers.base import make_provider
from mmx.elements.providers.frcnn import Detected
from mmx.errors import CheckpointError, UsageError


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    noise = np.random.default_rng(0)
    return [noise.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
            for height, width in sizes]


def assert_alike(one: Detected, other: Detected) -> None:
    for name in ("boxes", "features", "scores", "attribute_scores"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-3, atol=1e-3)
    assert one.labels.tolist() == other.labels.tolist()
    assert one.attribute_labels.tolist() == other.attribute_labels.tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_detector(tmp_path_factory.mktemp("detector"))


def test_a_picture_among_others_is_as_if_it_were_alone(folder: Path) -> None:
    detector = load_region_detector(folder)
    images = pictures((60, 90), (90, 60), (60, 90), (120, 180), (60, 90))
    together = detector.detect(images)
    for image, found in zip(images, together, strict=True):
        assert_alike(detector.detect([image])[0], found)
    assert len({tuple(found.scores.tolist()) for found in together}) == 5


def test_what_is_found(folder: Path) -> None:
    [found] = load_region_detector(folder, dtype="float64").detect(pictures((60, 90)))
    number = len(found.boxes)
    assert 2 <= number <= 6
    assert found.features.shape == (number, 128)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert (found.boxes >= 0).all() and (found.boxes[:, [0, 2]] <= 90).all() and (found.boxes[:, [1, 3]] <= 60).all()
    assert found.labels.max() < 12 and found.attribute_labels.max() < 5


def test_safetensors_and_bin_hold_the_same(folder: Path, tmp_path: Path) -> None:
    image = pictures((60, 90))
    binary = write_detector(tmp_path / "bin", binary=True)
    assert_alike(load_region_detector(folder).detect(image)[0], load_region_detector(binary).detect(image)[0])


def test_the_published_binary_gives_the_golden_numbers(shared: Path, tmp_path: Path) -> None:
    golden = shared / "golden" / "frcnn" / "vg36"
    for name in ("config.yaml", "pytorch_model.bin"):
        (tmp_path / name).write_bytes((golden / name).read_bytes())
    inputs, expected = load_file(golden / "inputs.safetensors"), load_file(golden / "expected.safetensors")
    [found] = load_region_detector(tmp_path).detect([inputs["image1/uint8"].numpy()])
    number = int(expected["image1/preds_per_image"][0])
    torch.testing.assert_close(found.features, expected["image1/roi_features"][0, :number], rtol=1e-3, atol=1e-3)
    assert found.labels.tolist() == expected["image1/obj_ids"][0, :number].tolist()


def test_channels_are_turned_on_request(folder: Path) -> None:
    [image] = pictures((60, 90))
    [as_reference] = load_region_detector(folder).detect([image])
    [as_config] = load_region_detector(folder, channels="config").detect([image[..., ::-1]])
    assert_alike(as_reference, as_config)
    [other] = load_region_detector(folder, channels="config").detect([image])
    assert not torch.equal(other.scores[:2], as_config.scores[:2])


def test_where_no_threshold_lets_enough_stay_the_most_count(tmp_path: Path) -> None:
    settings = deepcopy(SMALL)
    settings |= {"min_detections": 50, "max_detections": 60}
    settings["roi_heads"]["nms_thresh_test"] = [0.9, 0.1]
    most = deepcopy(settings)
    most["roi_heads"]["nms_thresh_test"] = 0.9
    most["min_detections"] = 1
    image = pictures((60, 90))
    [found] = load_region_detector(write_detector(tmp_path / "a", settings)).detect(image)
    [alone] = load_region_detector(write_detector(tmp_path / "b", most)).detect(image)
    assert_alike(found, alone)


def test_a_picture_without_proposals_is_one_region(tmp_path: Path) -> None:
    settings = deepcopy(SMALL)
    settings["proposal_generator"]["min_size"] = 5000
    settings["min_detections"] = 1
    [found] = load_region_detector(write_detector(tmp_path, settings)).detect(pictures((60, 90)))
    assert len(found.boxes) == 1


def test_as_a_provider_it_names_what_it_finds(tmp_path: Path) -> None:
    settings = deepcopy(SMALL)
    settings["roi_heads"]["num_classes"], settings["roi_box_head"]["num_attrs"] = 1600, 400
    write_detector(tmp_path, settings)
    (tmp_path / "objects_vocab.txt").write_text("\n".join(f"thing {i},other" for i in range(1600)))
    (tmp_path / "attributes_vocab.txt").write_text("\n".join(f"kind{i}" for i in range(400)) + "\n")
    provider = make_provider({"provider": "frcnn", "checkpoint": str(tmp_path)}, "cpu", 128)
    [image] = pictures((60, 90))
    [regions] = provider.regions([Image.fromarray(image)])
    [found] = load_region_detector(tmp_path, channels="config").detect([image])
    assert regions.labels == tuple(f"kind{attribute} thing {label}" for label, attribute in zip(
        found.labels.tolist(), found.attribute_labels.tolist(), strict=True))
    torch.testing.assert_close(regions.boxes_xyxy_unit * torch.tensor([90, 60, 90, 60]), found.boxes)
    with pytest.raises(ValueError, match="gives 128 features a region, and the model takes 2048"):
        make_provider({"provider": "frcnn", "checkpoint": str(tmp_path)}, "cpu", 2048)


def without(settings: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != key}


@pytest.mark.parametrize(("config", "message"), [
    (None, "has no config.yaml"), ("a: [", "cannot be read"), ("just text", "holds no settings"),
    ("!!python/object/apply:os.mkdir [ran]", "cannot be read"),
    (yaml.safe_dump(without(SMALL, "rpn")), "describes no region detector that mmx knows: it lacks 'rpn'"),
    (yaml.safe_dump(without(SMALL, "input")), "'input'"),
    (yaml.safe_dump(SMALL | {"resnets": SMALL["resnets"] | {"depth": 18}}), "it lacks 18")])
def test_a_bad_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_detector(tmp_path)
    (tmp_path / "config.yaml").unlink()
    if config is not None:
        (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(CheckpointError, match=message):
        load_region_detector(tmp_path)
    assert not Path("ran").exists()


def test_keys_in_capitals_and_tuples_are_read(folder: Path, tmp_path: Path) -> None:
    shouted = {key.upper(): value for key, value in SMALL.items()}
    shouted["RPN"] = SMALL["rpn"] | {"bbox_reg_weights": (1.0, 1.0, 1.0, 1.0)}
    (tmp_path / "config.yaml").write_text(yaml.dump(shouted))
    assert "python/tuple" in (tmp_path / "config.yaml").read_text()
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    image = pictures((60, 90))
    assert_alike(load_region_detector(tmp_path).detect(image)[0], load_region_detector(folder).detect(image)[0])


class Hostile:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(("broken", "message"), [
    ("none", "has no weights"), ("cut", "cannot be read"), ("missing", "lacks 1 of the weights .*cls_score.bias"),
    ("unexpected", "has unexpected 1 of the weights .*: extra"), ("shape", "in another shape.*cls_score.bias"),
    ("hostile", "unpickling them could run code")])
def test_bad_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_detector(tmp_path) / "model.safetensors"
    weights, bias = load_file(path), "roi_heads.box_predictor.cls_score.bias"
    if broken == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif broken in ("none", "hostile"):
        path.unlink()
    else:
        changed = {"missing": {}, "unexpected": {bias: weights[bias], "extra": torch.ones(1)},
                   "shape": {bias: torch.ones(3)}}[broken]
        save_file({name: value for name, value in weights.items() if name != bias} | changed, path)
    if broken == "hostile":
        (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Hostile()}))
    with pytest.raises(CheckpointError, match=message):
        load_region_detector(tmp_path)
    assert not Path("ran").exists()


def test_misuse(folder: Path) -> None:
    with pytest.raises(UsageError, match="does not run in bfloat16"):
        load_region_detector(folder, dtype="bfloat16")
    with pytest.raises(UsageError, match="No order of channels"):
        load_region_detector(folder, channels="hsv")
    with pytest.raises(UsageError, match="is not a picture"):
        load_region_detector(folder).detect([np.zeros((3, 4), dtype=np.uint8)])
