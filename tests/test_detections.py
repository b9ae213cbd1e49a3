"""Detections of a random DETR: each explained as if it were alone, whatever shares its forward or its backward."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mmx
from mmx.engine import attribute
from mmx.explainer import Model
from mmx.families.detr import Detr, Keep
from mmx.images import open_picture
from mmx.methods import all_methods, get_method
from mmx.tasks.detections import Found, explain_detections
from mmx.types import Picture

METHODS = [get_method(name) for name in ("relevance", "rollout", "random")]
torch.set_num_threads(1)


def noise(width: int, height: int, seed: int) -> Picture:
    random = np.random.default_rng(seed)
    return open_picture(Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)))


PICTURES = [noise(40, 30, 0), noise(30, 40, 1), noise(40, 30, 2)]


@pytest.fixture(scope="module")
def model(tiny_detr: Path) -> Model:
    return mmx.load(tiny_detr, dtype="float64")


def assert_same(one: Found, other: Found) -> None:
    assert one.kept.tolist() == other.kept.tolist()
    assert one.input_size == other.input_size
    torch.testing.assert_close(one.probabilities, other.probabilities)
    torch.testing.assert_close(one.boxes_xyxy_px, other.boxes_xyxy_px)
    for name, maps in one.relevance.items():
        torch.testing.assert_close(maps, other.relevance[name], atol=1e-9, rtol=1e-7)


def test_pictures_of_several_sizes_get_together_what_they_get_alone(model: Model) -> None:
    together = explain_detections(model, PICTURES, METHODS, Keep(0.4))
    assert sum(len(found.kept) for found in together) > 4
    for picture, found in zip(PICTURES, together, strict=True):
        [alone] = explain_detections(model, [picture], METHODS, Keep(0.4))
        assert_same(found, alone)
        assert found.relevance["relevance"].shape == (len(found.kept), *(-(-side // 8) for side in found.input_size))


@pytest.mark.parametrize("method", [method.name for method in all_methods()])
def test_one_detection_for_each_backward_equals_all_at_once(model: Model, method: str) -> None:
    by_memory = [explain_detections(model, PICTURES[:1], [get_method(method)], Keep(0.0), max_memory=memory)[0]
                 for memory in (1, None)]
    assert len(by_memory[0].kept) == 8
    assert_same(*by_memory)


def test_all_detections_of_a_picture_share_one_forward(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, run = [], Detr.run
    monkeypatch.setattr(Detr, "run", lambda *given: runs.append(1) or run(*given))
    [found] = explain_detections(model, PICTURES[:1], all_methods(), Keep(0.0), max_memory=1)
    assert len(found.kept) == 8
    assert len(runs) == 1


@pytest.mark.parametrize(("pixels", "forwards"), [(2**20, 1), (2 * 24 * 32, 2), (1, 4)])
def test_large_pictures_of_one_size_do_not_share_a_forward(model: Model, monkeypatch: pytest.MonkeyPatch, pixels: int,
                                                           forwards: int) -> None:
    pictures = [noise(40, 30, seed) for seed in range(4)]
    together = explain_detections(model, pictures, METHODS, Keep(0.02))
    runs, run = [], Detr.run
    monkeypatch.setattr("mmx.tasks.detections._CPU_PIXELS", pixels)
    monkeypatch.setattr(Detr, "run", lambda *given: runs.append(1) or run(*given))
    for one, other in zip(explain_detections(model, pictures, METHODS, Keep(0.02)), together, strict=True):
        assert_same(one, other)
    assert len(runs) == forwards


def test_padding_receives_nothing(model: Model) -> None:
    """Of a batch that is padded all the same, with half of the second picture's grid left empty."""
    pixels, mask = torch.randn(2, 3, 32, 32, dtype=torch.float64), torch.ones(2, 32, 32, dtype=torch.float64)
    mask[1, :, 16:] = 0
    inputs = {"pixel_values": pixels * mask[:, None], "pixel_mask": mask}
    found, _ = attribute(model.network, model.family, inputs, all_methods(), [(0, None), (0, None)],
                         ignore_padding=True)
    for name, scores in found.items():
        maps = scores["image"].reshape(2, 4, 4)
        assert not maps[1, :, 2:].any(), name
        if name in ("relevance", "rollout", "random", "raw-attention"):
            assert maps[1, :, :2].all(), name
            assert maps[0].all(), name


def test_one_class_alone_can_be_kept(model: Model) -> None:
    [every] = explain_detections(model, PICTURES[:1], METHODS[:1], Keep(0.0))
    for label in range(3):
        [found] = explain_detections(model, PICTURES[:1], METHODS[:1], Keep(0.0, label))
        items = (every.labels == label).nonzero().flatten()
        assert found.kept.tolist() == items.tolist()
        if len(items):
            torch.testing.assert_close(found.relevance["relevance"], every.relevance["relevance"][items])
    assert len(set(every.labels.tolist())) > 1


def test_what_was_kept_is_surer_than_the_threshold(model: Model) -> None:
    [every] = explain_detections(model, PICTURES[:1], METHODS[:1], Keep(0.0))
    threshold = float(every.scores.median())
    [found] = explain_detections(model, PICTURES[:1], METHODS[:1], Keep(threshold))
    assert found.kept.tolist() == (every.scores > threshold).nonzero().flatten().tolist()
    assert 0 < len(found.kept) < 8


def test_nothing_need_be_kept(model: Model) -> None:
    for found in explain_detections(model, PICTURES, METHODS, Keep(0.99999)):
        assert len(found.kept) == 0
        assert len(found.scores) == 8
        assert all(len(maps) == 0 and maps.dim() == 3 for maps in found.relevance.values())


def test_queries_can_be_named_with_a_class_or_without(model: Model) -> None:
    [every] = explain_detections(model, PICTURES[:1], METHODS[:1], Keep(0.0))
    label = int(every.labels[2])
    targets = [(5, None), (2, label), (2, (label + 1) % 3)]
    [found] = explain_detections(model, PICTURES[:1], METHODS[:1], targets)
    maps, all_maps = found.relevance["relevance"], every.relevance["relevance"]
    assert found.kept.tolist() == [5, 2, 2]
    torch.testing.assert_close(maps[:2], all_maps[[5, 2]])
    assert not torch.allclose(maps[2], maps[1])


def test_attribute_takes_queries_as_targets(model: Model) -> None:
    pixels = torch.randn(1, 3, 24, 32, dtype=torch.float64)
    scores = model.attribute({"pixel_values": pixels}, target=[(3, None), (0, 1)])
    assert scores["image"].shape == (2, 12)
    one = model.attribute({"pixel_values": pixels}, target=(0, 1))
    torch.testing.assert_close(one["image"], scores["image"][1:])


def test_boxes_are_in_the_pixels_of_the_picture(model: Model) -> None:
    encoded = model.processor([PICTURES[0].image], return_tensors="pt")
    with torch.no_grad():
        given = model.network(pixel_values=encoded["pixel_values"].double(), pixel_mask=encoded["pixel_mask"])
    x, y, width, height = given.pred_boxes[0].T
    want = torch.stack([40 * (x - width / 2), 30 * (y - height / 2), 40 * (x + width / 2), 30 * (y + height / 2)], 1)
    [found] = explain_detections(model, PICTURES[:1], METHODS[:1])
    torch.testing.assert_close(found.boxes_xyxy_px.double(), want, atol=1e-4, rtol=0)
