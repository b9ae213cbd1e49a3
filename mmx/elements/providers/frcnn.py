"""Regions from the Visual Genome Faster R-CNN that LXMERT and VisualBERT were trained on, at most 36 a picture.

Pictures of one size run together, so that none changes what is found in another: the reference pads them to one size,
and padding changes both features and proposals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import interpolate

from mmx.arrays import Float, Int
from mmx.checkpoints.catalog import ATTRIBUTES_OF_REGIONS, OBJECTS_OF_REGIONS, REGION_DETECTOR
from mmx.checkpoints.loading import DTYPES, check_dtype, pick_device, resolve
from mmx.devices import DEFAULT_DEVICE
from mmx.elements.providers._frcnn_files import read_network, read_settings
from mmx.elements.providers._frcnn_network import FasterRcnn, Found
from mmx.elements.providers._names import RegionNames, region_names
from mmx.elements.providers.base import RegionProvider, RegionSet, check_feature_size
from mmx.errors import CheckpointError, UsageError
from mmx.images import alike

_AT_ONCE = 8


@dataclass(frozen=True)
class Detected:
    """One picture: `boxes` xyxy in its pixels, their features, what each is, and how surely.

    `labels` and `attribute_labels` are indices; `scores` and `attribute_scores` probabilities.
    """

    boxes: Float[Tensor, "n 4"]
    features: Float[Tensor, "n dim"]
    labels: Int[Tensor, " n"]
    scores: Float[Tensor, " n"]
    attribute_labels: Int[Tensor, " n"]
    attribute_scores: Float[Tensor, " n"]


class RegionDetector:
    """The published detector; what `mmx.load_region_detector` gives."""

    def __init__(self, network: FasterRcnn, settings: dict[str, Any], channels: str = "reference") -> None:
        self._network, self._input = network, settings["input"]
        mean, std = (torch.tensor(settings["model"][key], dtype=torch.float32).reshape(3, 1, 1)
                     for key in ("pixel_mean", "pixel_std"))
        self._mean, self._std = mean, std
        self._turned = (self._input["format"] == "BGR") == (channels == "config")

    @property
    def feature_size(self) -> int:
        """Numbers in the features of a region."""
        return self._network.feature_size

    @property
    def classes(self) -> tuple[int, int]:
        """How many kinds of objects and of attributes it knows."""
        return self._network.bbox_pred.out_features // 4, self._network.attr_score.out_features - 1

    @torch.inference_mode()
    def detect(self, images: Sequence[np.ndarray]) -> list[Detected]:
        """What is in each picture, (H, W, 3) of RGB bytes, as if it were alone."""
        pixels = [self._ready(np.array(image)) for image in images]
        found: dict[int, Detected] = {}
        for indices in alike(picture.shape for picture in pixels):
            for start in range(0, len(indices), _AT_ONCE):
                chunk = indices[start:start + _AT_ONCE]
                parameter = self._network.anchors
                batch = torch.stack([pixels[index] for index in chunk]).to(parameter.device, parameter.dtype)
                found |= {index: _in_pixels_of(one, images[index].shape, pixels[index].shape)
                          for index, one in zip(chunk, self._network(batch), strict=True)}
        return [found[index] for index in range(len(images))]

    def _ready(self, image: np.ndarray) -> Float[Tensor, "3 height width"]:
        """Scaled to the size that the config asks for, then normalised; the means are never turned."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise UsageError(f"An array of {image.dtype} with shape {image.shape} is not a picture.",
                             "Give uint8 RGB with shape (height, width, 3).")
        pixels = torch.from_numpy(image).permute(2, 0, 1).float()
        height, width = pixels.shape[1:]
        size = _target_size(height, width, self._input["min_size_test"], self._input["max_size_test"])
        pixels = interpolate(pixels[None], size, mode="bilinear", align_corners=False)[0]
        return ((pixels.flip(0) if self._turned else pixels) - self._mean) / self._std


class FrcnnRegions:
    """The detector as a provider of regions, which names what it finds where its classes' names are known."""

    def __init__(self, detector: RegionDetector, name: str, names: RegionNames) -> None:
        self._detector, self._names = detector, names
        self.name = name
        self.warnings = () if names.warning is None else (names.warning,)

    def regions(self, images: Sequence[Image]) -> list[RegionSet]:
        found = self._detector.detect([np.asarray(image.convert("RGB")) for image in images])
        return [self._as_regions(one, image) for one, image in zip(found, images, strict=True)]

    def _as_regions(self, one: Detected, image: Image) -> RegionSet:
        side = torch.tensor([image.width, image.height] * 2)
        return RegionSet(one.features.float(), (one.boxes.float() / side).clamp(0, 1),
                         self._names.of(one.labels.tolist(), one.attribute_labels.tolist()), tuple(one.scores.tolist()))


def build(options: dict[str, Any], device: str, feature_size: int) -> RegionProvider:
    """From a provider's options: `checkpoint`, a folder or hub id, and `channels`, see `load_region_detector`."""
    source = resolve(options.get("checkpoint", REGION_DETECTOR))
    channels = options.get("channels", "config")
    detector = load_region_detector(source.folder, device, channels=channels)
    check_feature_size(source.name, detector.feature_size, feature_size)
    known = detector.classes == (OBJECTS_OF_REGIONS.length, ATTRIBUTES_OF_REGIONS.length)
    names = region_names(source.folder) if known else RegionNames()
    turned = ", channels as in the reference" if channels == "reference" else ""
    commit = f"@{source.commit[:8]}" if source.commit else ""
    return FrcnnRegions(detector, f"Faster R-CNN detections ({source.name}{commit}{turned})", names)


def load_region_detector(folder: str | Path, device: str | torch.device = DEFAULT_DEVICE,
                         dtype: str | torch.dtype = "float32", channels: str = "reference") -> RegionDetector:
    """The region detector in a folder with config.yaml and its weights.

    Args:
        device: as of `mmx.load`.
        dtype: "float32" or "float64", or torch's. In half precision other boxes would survive.
        channels: "reference" is what the reference does with a picture's file: it takes the channels in the order
            that is not the one in the config ("BGR" in the published one), while the means stay as they are.
            "config" is the order that the config names, in which the weights were trained.

    Raises:
        CheckpointError: a file is missing or broken, or they do not fit each other.
    """
    of = check_dtype(dtype)
    if of not in ("float32", "float64"):
        raise UsageError(f"The region detector does not run in {of}.", "Give float32 or float64.")
    if channels not in ("config", "reference"):
        raise UsageError(f"No order of channels is called '{channels}'.", "Give config or reference.")
    folder = Path(folder)
    settings = read_settings(folder)
    network = read_network(folder, settings).to(pick_device(device), DTYPES[of])
    try:
        return RegionDetector(network, settings, channels)
    except (LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"The config.yaml in {folder} says too little about its input: {error}.") from error


def _target_size(height: int, width: int, shorter: int, longest: int) -> tuple[int, int]:
    """The shorter side as asked for, unless the longer one would be over its limit."""
    scale = shorter / min(height, width)
    size = (shorter, scale * width) if height < width else (scale * height, shorter)
    if max(size) > longest:
        size = tuple(side * (longest / max(size)) for side in size)
    return int(size[0] + 0.5), int(size[1] + 0.5)


def _in_pixels_of(found: Found, image: Sequence[int], resized: Sequence[int]) -> Detected:
    """`image` is (H, W, 3), `resized` (3, h, w)."""
    across, down = image[1] / resized[2], image[0] / resized[1]
    boxes = found.boxes_xyxy_px * found.boxes_xyxy_px.new_tensor([across, down] * 2)
    return Detected(*(part.cpu().clone() for part in (boxes, found.features, found.labels, found.scores,
                                                      found.attribute_labels, found.attribute_scores)))
