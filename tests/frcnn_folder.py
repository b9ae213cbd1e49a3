"""Region detectors with random weights, saved under the names that the published checkpoint has."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from mmx.elements.providers._frcnn_network import FasterRcnn

SMALL: dict[str, Any] = {
    "min_detections": 2, "max_detections": 6, "input": {"format": "BGR", "min_size_test": 60, "max_size_test": 100},
    "model": {"max_pool": True, "pixel_mean": [102.9801, 115.9465, 122.7717], "pixel_std": [1.0, 1.0, 1.0]},
    "resnets": {"stem_out_channels": 8, "depth": 50, "num_groups": 1, "width_per_group": 4, "res2_out_channels": 16,
                "stride_in_1x1": True},
    "anchor_generator": {"sizes": [[16, 32]], "aspect_ratios": [[0.5, 1.0, 2.0]], "offset": 0.0},
    "proposal_generator": {"hidden_channels": -1, "min_size": 0},
    "rpn": {"bbox_reg_weights": [1.0, 1.0, 1.0, 1.0], "pre_nms_topk_test": 100, "post_nms_topk_test": 20,
            "nms_thresh": 0.7},
    "roi_heads": {"num_classes": 12, "nms_thresh_test": [0.3, 0.5]},
    "roi_box_head": {"res5halve": False, "num_attrs": 5, "bbox_reg_weights": [10.0, 10.0, 5.0, 5.0],
                     "pooler_resolution": 6}}
"""A config as the published one, in small; features have 128 numbers."""


def full_settings() -> dict[str, Any]:
    """As published: ResNet-101-C4, 1600 objects, 400 attributes, 36 regions of 2048 numbers."""
    settings = deepcopy(SMALL)
    settings |= {"min_detections": 36, "max_detections": 36}
    settings["input"] |= {"min_size_test": 600, "max_size_test": 1000}
    settings["resnets"] |= {"stem_out_channels": 64, "depth": 101, "width_per_group": 64, "res2_out_channels": 256}
    settings["anchor_generator"]["sizes"] = [[64, 128, 256, 512]]
    settings["proposal_generator"]["hidden_channels"] = 512
    settings["rpn"] |= {"pre_nms_topk_test": 6000, "post_nms_topk_test": 300}
    settings["roi_heads"] = {"num_classes": 1600, "nms_thresh_test": [0.5, 0.6, 0.7, 0.8, 0.9]}
    settings["roi_box_head"] |= {"num_attrs": 400, "pooler_resolution": 14}
    return settings


def write_detector(folder: Path, settings: dict[str, Any] = SMALL, binary: bool = False, seed: int = 0) -> Path:
    """Batch normalisation keeps random features apart from each other; anchors are laid out as they are published."""
    torch.manual_seed(seed)
    network = FasterRcnn(settings)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(2.0)
    for part in (network.rpn_logits, network.cls_score, network.bbox_pred):
        torch.nn.init.normal_(part.weight, std=0.05)
    network.anchors.copy_(_anchors(settings))
    folder.mkdir(parents=True, exist_ok=True)
    weights = {published_name(name): value.detach().contiguous() for name, value in network.state_dict().items()}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    if binary:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors")
    return folder


def _anchors(settings: dict[str, Any]) -> Tensor:
    """By size, then ratio of height to width."""
    rows = []
    for size in settings["anchor_generator"]["sizes"][0]:
        for ratio in settings["anchor_generator"]["aspect_ratios"][0]:
            width = (size * size / ratio) ** 0.5
            rows.append([-width / 2, -ratio * width / 2, width / 2, ratio * width / 2])
    return torch.tensor(rows)


_PUBLISHED = (
    (r"^layer4\.", "roi_heads.res5."), (r"^layer([123])\.", lambda found: f"backbone.res{int(found[1]) + 1}."),
    (r"^(conv1|bn1)\.", r"backbone.stem.\1."), (r"\.downsample\.1\.", ".shortcut.norm."),
    (r"\.downsample\.0\.", ".shortcut."), (r"\.bn([123])\.", r".conv\1.norm."),
    (r"^anchors$", "proposal_generator.anchor_generator.cell_anchors.0"),
    (r"^rpn_conv\.", "proposal_generator.rpn_head.conv."),
    (r"^rpn_logits\.", "proposal_generator.rpn_head.objectness_logits."),
    (r"^rpn_deltas\.", "proposal_generator.rpn_head.anchor_deltas."),
    (r"^(cls_score|bbox_pred|cls_embedding|fc_attr|attr_score)\.", r"roi_heads.box_predictor.\1."))


def published_name(name: str) -> str:
    for pattern, new in _PUBLISHED:
        name = re.sub(pattern, new, name)
    return name
