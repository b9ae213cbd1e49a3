"""Regions of a random FCOS: kept boxes with pooled features, alike alone and among others."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.ops import box_iou

from mmx.elements.providers.base import make_provider
from mmx.elements.providers.fcos import CONFIG_NAME, WEIGHTS_NAME, FcosRegions, build_detector
from mmx.errors import CheckpointError

SETTINGS = {
    "backbone": {"embedding_size": 8, "hidden_sizes": [8, 32], "depths": [1, 1], "layer_type": "basic",
                 "out_features": ["stage2"]},
    "labels": ["red circle", "blue star"], "size_px": 32, "stride_px": 8, "head_layers": 1, "threshold": 0.3,
}
torch.set_num_threads(1)


def made_detector(threshold: float) -> torch.nn.Module:
    """Random weights, with the biases raised so that there are detections, of some area."""
    torch.manual_seed(0)
    detector = build_detector({**SETTINGS, "threshold": threshold})
    torch.nn.init.zeros_(detector.head.classification_head.cls_logits.bias)
    torch.nn.init.normal_(detector.head.classification_head.cls_logits.weight, std=0.3)
    torch.nn.init.normal_(detector.head.regression_head.bbox_reg.weight, std=0.02)
    torch.nn.init.ones_(detector.head.regression_head.bbox_reg.bias)
    return detector


def made_provider(threshold: float, limit: int = 36) -> FcosRegions:
    return FcosRegions(made_detector(threshold), SETTINGS["labels"], "tiny", limit)


def noise(width: int, height: int, seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


PICTURES = [noise(40, 30, 0), noise(30, 40, 1), noise(40, 30, 2), noise(32, 32, 3)]


def test_regions_are_distinct_boxes_of_the_picture_surest_first() -> None:
    provider = made_provider(0.3)
    for found in provider.regions(PICTURES):
        boxes = found.boxes_xyxy_unit
        assert len(boxes) > 1
        assert len(boxes) == len(found.features) == len(found.labels) == len(found.confidences)
        assert found.features.shape[1] == provider.feature_size == 36
        assert boxes.min() >= 0
        assert boxes.max() <= 1
        assert list(found.confidences) == sorted(found.confidences, reverse=True)
        assert set(found.labels) <= {"red circle", "blue star"}
        assert (box_iou(boxes, boxes) - torch.eye(len(boxes))).max() < 0.65
        assert torch.equal(found.features[:, -4:], boxes)


@pytest.mark.parametrize("picture", PICTURES[:2], ids=["wide", "high"])
def test_boxes_are_those_of_the_detector_in_units_of_width_and_height(picture: Image.Image) -> None:
    [found] = made_provider(0.3).regions([picture])
    detector = made_detector(0.3).eval()
    with torch.no_grad():
        [want] = detector([torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255])
    boxes_xyxy_px = found.boxes_xyxy_unit * torch.tensor([picture.width, picture.height] * 2)
    nearest = (boxes_xyxy_px[:, None] - want["boxes"][None]).abs().amax(dim=2).amin(dim=1)
    assert nearest.max() < 1e-3
    assert found.confidences[0] == pytest.approx(float(want["scores"].max()), abs=1e-5)


def test_where_nothing_is_found_the_whole_picture_is_a_region() -> None:
    [found] = made_provider(0.99).regions(PICTURES[:1])
    assert found.boxes_xyxy_unit.tolist() == [[0, 0, 1, 1]]
    assert found.labels == found.confidences == (None,)
    assert found.features.isfinite().all()
    assert found.features.shape == (1, 36)


def test_the_limit_keeps_the_surest() -> None:
    [every], [two] = (made_provider(0.3, limit).regions(PICTURES[:1]) for limit in (36, 2))
    assert two.confidences == every.confidences[:2]
    assert torch.equal(two.features, every.features[:2])


def test_pictures_of_different_sizes_get_in_one_call_what_they_get_alone() -> None:
    provider = made_provider(0.3)
    for together, picture in zip(provider.regions(PICTURES), PICTURES, strict=True):
        [alone] = provider.regions([picture])
        assert together.labels == alone.labels
        torch.testing.assert_close(together.boxes_xyxy_unit, alone.boxes_xyxy_unit, atol=1e-4, rtol=0)
        torch.testing.assert_close(together.features, alone.features, atol=1e-4, rtol=0)


def test_a_call_leaves_no_hook_behind() -> None:
    detector = made_detector(0.3)
    FcosRegions(detector, SETTINGS["labels"], "tiny").regions(PICTURES[:1])
    assert not detector.head.classification_head.conv._forward_hooks


def test_a_provider_is_made_of_a_saved_detector(tmp_path: Path) -> None:
    save_file(made_detector(0.3).state_dict(), tmp_path / WEIGHTS_NAME)
    (tmp_path / CONFIG_NAME).write_text(json.dumps(SETTINGS))
    provider = make_provider({"provider": "fcos", "detector": str(tmp_path)}, "cpu", 36)
    [found], [want] = provider.regions(PICTURES[:1]), made_provider(0.3).regions(PICTURES[:1])
    assert found.labels == want.labels
    torch.testing.assert_close(found.features, want.features, atol=1e-5, rtol=0)
    louder = make_provider({"provider": "fcos", "detector": str(tmp_path), "box_scale": 8}, "cpu", 36)
    [scaled] = louder.regions(PICTURES[:1])
    assert torch.equal(scaled.boxes_xyxy_unit, found.boxes_xyxy_unit)
    assert torch.equal(scaled.features, torch.cat([found.features[:, :-4], 8 * found.features[:, -4:]], dim=1))


@pytest.mark.parametrize("present", ["nothing", "config"])
def test_a_detector_that_cannot_be_read_is_named(tmp_path: Path, present: str) -> None:
    if present == "config":
        (tmp_path / CONFIG_NAME).write_text(json.dumps(SETTINGS))
    with pytest.raises(CheckpointError, match=f"The region detector in {tmp_path} cannot be loaded"):
        make_provider({"provider": "fcos", "detector": str(tmp_path)}, "cpu", 36)
