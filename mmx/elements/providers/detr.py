"""Regions from a DETR checkpoint: its kept detections, with the decoder's last states as features."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.ops import box_convert
from transformers import PreTrainedModel

from mmx.arrays import Float, Int
from mmx.checkpoints.loading import load_network, resolve
from mmx.checkpoints.processors import load_processor
from mmx.elements.providers.base import RegionProvider, RegionSet, check_feature_size
from mmx.images import alike


class DetrRegions:
    """Detections over `threshold`, surest first, `limit` at most; the surest one where none is over it."""

    def __init__(self, network: PreTrainedModel, processor: Any, name: str,
                 threshold: float = 0.5, limit: int = 36) -> None:
        self._network, self._processor = network, processor
        self._threshold, self._limit = threshold, limit
        self.name = name

    def regions(self, images: Sequence[Image]) -> list[RegionSet]:
        """Pictures of one size run together: padding would change what a convolution sees at the edge."""
        pixels = [self._processor(image, return_tensors="pt")["pixel_values"][0] for image in images]
        found: dict[int, RegionSet] = {}
        for indices in alike(picture.shape for picture in pixels):
            found |= zip(indices, self.of_pixels(torch.stack([pixels[index] for index in indices])), strict=True)
        return [found[index] for index in range(len(images))]

    @torch.inference_mode()
    def of_pixels(self, pixel_values: Float[Tensor, "batch 3 height width"]) -> list[RegionSet]:
        """Regions of pictures that the processor has made ready."""
        output = self._network(pixel_values=pixel_values.to(self._network.device, self._network.dtype))
        scores, labels = output.logits.softmax(-1)[..., :-1].max(-1)
        boxes_xyxy_unit = box_convert(output.pred_boxes, "cxcywh", "xyxy").clamp(0, 1)
        return [self._keep(*one) for one in zip(scores.float().cpu(), labels.cpu(), boxes_xyxy_unit.float().cpu(),
                                                output.last_hidden_state.float().cpu(), strict=True)]

    def _keep(self, scores: Float[Tensor, " queries"], labels: Int[Tensor, " queries"],
              boxes_xyxy_unit: Float[Tensor, "queries 4"], states: Float[Tensor, "queries dim"]) -> RegionSet:
        order = scores.argsort(descending=True, stable=True)[:self._limit]
        kept = order[:max(1, int((scores[order] > self._threshold).sum()))]
        names: Any = self._network.config.id2label
        return RegionSet(states[kept].clone(), boxes_xyxy_unit[kept].clone(),
                         tuple(names[int(label)] for label in labels[kept]),
                         tuple(float(score) for score in scores[kept]))


def build(options: dict[str, Any], device: str, feature_size: int) -> RegionProvider:
    """From the `regions.json` of a checkpoint: `checkpoint`, and perhaps `threshold` and `limit`."""
    source = resolve(options["checkpoint"])
    network = load_network(source, "DetrForObjectDetection", device=device)
    check_feature_size(source.name, network.config.d_model, feature_size)
    settings = {key: options[key] for key in ("threshold", "limit") if key in options}
    return DetrRegions(network, load_processor(source), f"detections of {source.name}", **settings)
