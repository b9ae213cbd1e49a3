"""Regions from a small FCOS detector (Tian et al. 2019), torchvision's own, on a Hugging Face ResNet.

A region's features are the classification tower's map, pooled over its box, and the box itself: VisualBERT takes
no boxes beside its features. `box_scale` says how loud those four numbers are beside the map's many.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import nms, remove_small_boxes, roi_align
from torchvision.transforms.functional import pil_to_tensor
from transformers import ResNetBackbone, ResNetConfig

from mmx.arrays import Float
from mmx.checkpoints.catalog import WEIGHTS
from mmx.elements.providers.base import RegionProvider, RegionSet, check_feature_size
from mmx.errors import CheckpointError
from mmx.images import alike

CONFIG_NAME, WEIGHTS_NAME = "detector.json", "model.safetensors"
_SAME_THING_IOU = 0.6


class _Backbone(nn.Module):
    """The last map of a ResNet, in the form that torchvision's detectors take."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.body = ResNetBackbone(ResNetConfig(**settings))
        self.out_channels: int = settings["hidden_sizes"][-1]

    def forward(self, pixels: Tensor) -> Tensor:
        return self.body(pixels).feature_maps[-1]


def build_detector(settings: dict[str, Any]) -> FCOS:
    """An untrained detector from what `detector.json` holds."""
    backbone = _Backbone(settings["backbone"])
    classes = len(settings["labels"])
    return FCOS(backbone, classes, min_size=settings["size_px"], max_size=2 * settings["size_px"],
                anchor_generator=AnchorGenerator(((2 * settings["stride_px"],),), ((1.0,),)),
                head=FCOSHead(backbone.out_channels, 1, classes, num_convs=settings["head_layers"]),
                score_thresh=settings["threshold"], size_divisible=settings["stride_px"])


class FcosRegions:
    """The detector's boxes, surest first; the whole picture where it finds nothing."""

    def __init__(self, detector: FCOS, labels: Sequence[str], name: str, limit: int = 36,
                 box_scale: float = 1.0) -> None:
        self._detector, self._labels, self._limit = detector.eval().requires_grad_(False), tuple(labels), limit
        self.name, self._box_scale = name, box_scale

    @property
    def _last_map(self) -> _Backbone:
        backbone = self._detector.backbone
        assert isinstance(backbone, _Backbone)
        return backbone

    @property
    def backbone(self) -> ResNetBackbone:
        return self._last_map.body

    @property
    def feature_size(self) -> int:
        return self._last_map.out_channels + 4

    def regions(self, images: Sequence[Image]) -> list[RegionSet]:
        return self.of_pixels([pil_to_tensor(image.convert("RGB")).float() / 255 for image in images])

    @torch.inference_mode()
    def of_pixels(self, pictures: Sequence[Float[Tensor, "3 _height _width"]]) -> list[RegionSet]:
        """Regions of pictures in [0, 1]. Those of one size run together, since padding is not neutral."""
        found: dict[int, RegionSet] = {}
        for indices in alike(picture.shape for picture in pictures):
            found |= zip(indices, self._of_one_size([pictures[index] for index in indices]), strict=True)
        return [found[index] for index in range(len(pictures))]

    def _of_one_size(self, pictures: list[Float[Tensor, "3 height width"]]) -> list[RegionSet]:
        device = next(self._detector.parameters()).device
        towers: list[Tensor] = []

        def hook(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
            towers.append(output)

        handle = self._detector.get_submodule("head.classification_head.conv").register_forward_hook(hook)
        try:
            detections = self._detector([picture.to(device) for picture in pictures])
        finally:
            handle.remove()
        height, width = pictures[0].shape[-2:]
        return [self._keep(found, tower[None], (height, width))
                for found, tower in zip(detections, towers[0], strict=True)]

    def _keep(self, found: dict[str, Tensor], tower: Float[Tensor, "1 dim rows columns"],
              size: tuple[int, int]) -> RegionSet:
        # Detectors of several classes may find one thing twice, under two names.
        sound = remove_small_boxes(found["boxes"], min_size=1)
        kept = sound[nms(found["boxes"][sound], found["scores"][sound], _SAME_THING_IOU)[:self._limit]]
        boxes_xyxy_px = found["boxes"][kept]
        labels: tuple[str | None, ...] = tuple(self._labels[int(label)] for label in found["labels"][kept])
        confidences: tuple[float | None, ...] = tuple(found["scores"][kept].tolist())
        side = torch.tensor([size[1], size[0]] * 2, device=tower.device)
        boxes_xyxy_unit = (boxes_xyxy_px / side).clamp(0, 1)
        if not len(kept):
            boxes_xyxy_unit, labels, confidences = torch.tensor([[0.0, 0, 1, 1]], device=tower.device), (None,), (None,)
        cells = boxes_xyxy_unit * torch.tensor([tower.shape[3], tower.shape[2]] * 2, device=tower.device)
        features = roi_align(tower, [cells], output_size=1, sampling_ratio=4, aligned=True).flatten(1)
        features = torch.cat([features, self._box_scale * boxes_xyxy_unit], dim=1)
        return RegionSet(features.cpu().clone(), boxes_xyxy_unit.cpu().clone(), labels, confidences)


def load_detector(folder: Path, device: str = "cpu", box_scale: float = 1.0) -> FcosRegions:
    """Reads a folder with `detector.json` and `model.safetensors`; CheckpointError if it cannot be."""
    try:
        settings = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        detector = build_detector(settings)
        detector.load_state_dict(load_file(folder / WEIGHTS_NAME))
    except Exception as error:  # safetensors, torch and json each raise their own kinds
        raise CheckpointError(f"The region detector in {folder} cannot be loaded: {error}") from error
    return FcosRegions(detector.to(device), settings["labels"], f"FCOS detections ({folder.name})",
                       box_scale=box_scale)


def build(options: dict[str, Any], device: str, feature_size: int) -> RegionProvider:
    """From the `regions.json` of a checkpoint: `detector`, a shipped name or a folder, and `box_scale` (1)."""
    shipped = WEIGHTS / options["detector"]
    folder = shipped if shipped.is_dir() else Path(options["detector"])
    detector = load_detector(folder, device, float(options.get("box_scale", 1)))
    check_feature_size(detector.name, detector.feature_size, feature_size)
    return detector
