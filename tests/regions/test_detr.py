"""Regions of a random DETR: the boxes it predicts, the surest first, alike alone and among others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

from mmx.elements.providers.base import RegionSet, make_provider
from mmx.elements.providers.detr import DetrRegions

NAMES = {0: "cat", 1: "dog", 2: "red circle"}
QUERIES = 8
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> DetrForObjectDetection:
    torch.manual_seed(0)
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                            out_features=["stage2"])
    config = DetrConfig(use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
                        backbone_config=backbone, d_model=16, encoder_layers=1, decoder_layers=1,
                        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
                        num_queries=QUERIES, id2label=NAMES, label2id={name: i for i, name in NAMES.items()},
                        init_std=0.5, attn_implementation="eager")
    return DetrForObjectDetection(config).eval()


@pytest.fixture(scope="module")
def processor() -> DetrImageProcessor:
    return DetrImageProcessor(size={"shortest_edge": 24, "longest_edge": 48})


def noise(width: int, height: int, seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


PICTURES = [noise(40, 30, 0), noise(30, 40, 1), noise(40, 30, 2), noise(24, 24, 3)]


def check_form(found: RegionSet) -> None:
    count = len(found.features)
    assert 1 <= count == len(found.labels) == len(found.confidences)
    assert found.features.shape == (count, 16)
    assert found.boxes_xyxy_unit.shape == (count, 4)
    assert found.features.dtype == found.boxes_xyxy_unit.dtype == torch.float32
    boxes = found.boxes_xyxy_unit
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert (boxes[:, :2] <= boxes[:, 2:]).all()
    assert list(found.confidences) == sorted(found.confidences, reverse=True)
    assert set(found.labels) <= set(NAMES.values())


@pytest.mark.parametrize("threshold", [0.0, 0.4, 1.0])
def test_regions_are_boxes_of_the_picture_surest_first_and_never_none(
        network: DetrForObjectDetection, processor: DetrImageProcessor, threshold: float) -> None:
    for found in DetrRegions(network, processor, "tiny", threshold).regions(PICTURES):
        check_form(found)
        assert all(score > threshold for score in found.confidences) or len(found.features) == 1
        assert (len(found.features) == QUERIES) == (threshold == 0)
    assert len(found.features) >= 1


def test_the_limit_keeps_the_surest(network: DetrForObjectDetection, processor: DetrImageProcessor) -> None:
    [every] = DetrRegions(network, processor, "tiny", 0.0).regions(PICTURES[:1])
    [three] = DetrRegions(network, processor, "tiny", 0.0, limit=3).regions(PICTURES[:1])
    assert three.confidences == every.confidences[:3]
    assert torch.equal(three.boxes_xyxy_unit, every.boxes_xyxy_unit[:3])


def test_regions_are_what_the_model_predicts(network: DetrForObjectDetection, processor: DetrImageProcessor) -> None:
    with torch.no_grad():
        output = network(**processor(PICTURES[0], return_tensors="pt"))
    [found] = DetrRegions(network, processor, "tiny", 0.0).regions(PICTURES[:1])
    probabilities = output.logits[0].softmax(-1)[:, :3]
    order = sorted(range(QUERIES), key=lambda query: -float(probabilities[query].max()))
    for row, query in enumerate(order):
        x, y, width, height = output.pred_boxes[0, query]
        corners = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2]).clamp(0, 1)
        torch.testing.assert_close(found.boxes_xyxy_unit[row], corners, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.features[row], output.last_hidden_state[0, query], atol=1e-5, rtol=0)
        assert found.labels[row] == NAMES[int(probabilities[query].argmax())]
        assert found.confidences[row] == pytest.approx(float(probabilities[query].max()), abs=1e-5)


def test_pictures_of_different_sizes_get_in_one_call_what_they_get_alone(
        network: DetrForObjectDetection, processor: DetrImageProcessor) -> None:
    provider = DetrRegions(network, processor, "tiny", 0.0)
    for together, picture in zip(provider.regions(PICTURES), PICTURES, strict=True):
        [alone] = provider.regions([picture])
        assert together.labels == alone.labels
        torch.testing.assert_close(together.boxes_xyxy_unit, alone.boxes_xyxy_unit, atol=1e-5, rtol=0)
        torch.testing.assert_close(together.features, alone.features, atol=1e-4, rtol=0)


def test_a_provider_is_made_of_a_saved_checkpoint(network: DetrForObjectDetection, processor: DetrImageProcessor,
                                                  tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    options = {"provider": "detr", "checkpoint": str(tmp_path), "threshold": 0.0, "limit": 2}
    provider = make_provider(options, "cpu", 16)
    [found] = provider.regions(PICTURES[:1])
    [want] = DetrRegions(network, processor, "tiny", 0.0, limit=2).regions(PICTURES[:1])
    assert provider.name == f"detections of {tmp_path}"
    assert found.labels == want.labels
    torch.testing.assert_close(found.features, want.features, atol=1e-5, rtol=0)
