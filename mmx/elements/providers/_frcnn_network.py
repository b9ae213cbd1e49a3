"""Faster R-CNN on a ResNet's fourth stage (C4) with a head for attributes, out of torchvision's layers and operators.

As in Anderson et al. 2018 ("bottom-up attention"), in the form of Hugging Face's LXMERT example, whose config.yaml and
weights it takes. Three things are not as usual: boxes of all classes suppress each other, one box per proposal;
a region's features are pooled at its proposal, not at the final box; the last stage keeps its resolution by dilation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.resnet import Bottleneck
from torchvision.ops import clip_boxes_to_image, nms, roi_pool

from mmx.arrays import Float, Int

Settings = Mapping[str, Any]
"""What config.yaml holds, its keys in lower case."""

_BLOCKS = {50: (3, 4, 6), 101: (3, 4, 23), 152: (3, 8, 36)}
_STRIDE_PX = 16


@dataclass(frozen=True)
class Found:
    """What is found in one picture, surest first, in pixels of the resized picture.

    `labels` and `attribute_labels` are indices, and the scores their probabilities.
    """

    boxes_xyxy_px: Float[Tensor, "n 4"]
    features: Float[Tensor, "n dim"]
    labels: Int[Tensor, " n"]
    scores: Float[Tensor, " n"]
    attribute_labels: Int[Tensor, " n"]
    attribute_scores: Float[Tensor, " n"]


class FasterRcnn(nn.Module):
    """The detector that `settings` describe; parameters have torchvision's names (conv1, layer1 to layer4, ...)."""

    anchors: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        resnet, head, rpn = settings["resnets"], settings["roi_box_head"], settings["rpn"]
        stem, width = resnet["stem_out_channels"], resnet["res2_out_channels"]
        blocks = (*_BLOCKS[resnet["depth"]], 3)
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        ceil = bool(settings["model"]["max_pool"])
        self.pool = nn.MaxPool2d(3, stride=2, padding=0 if ceil else 1, ceil_mode=ceil)
        sizes = (stem, *(width * 2**stage for stage in range(4)))
        last = 2 if head["res5halve"] else 1
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(resnet, sizes[stage], sizes[stage + 1], blocks[stage], stride, stage == 3 and not head["res5halve"])
            for stage, stride in enumerate((1, 2, 2, last)))
        hidden = settings["proposal_generator"]["hidden_channels"]
        hidden = sizes[3] if hidden == -1 else hidden
        anchors = settings["anchor_generator"]
        count = len(anchors["sizes"][0]) * len(anchors["aspect_ratios"][0])
        # The published checkpoint holds its anchors; they count, whatever its config says.
        self.register_buffer("anchors", torch.zeros(count, 4))
        self.rpn_conv = nn.Conv2d(sizes[3], hidden, 3, padding=1)
        self.rpn_logits, self.rpn_deltas = nn.Conv2d(hidden, count, 1), nn.Conv2d(hidden, 4 * count, 1)
        classes, features = settings["roi_heads"]["num_classes"], sizes[4]
        self.cls_score, self.bbox_pred = nn.Linear(features, classes + 1), nn.Linear(features, 4 * classes)
        self.cls_embedding = nn.Embedding(classes + 1, features // 8)
        self.fc_attr = nn.Linear(features + features // 8, features // 4)
        self.attr_score = nn.Linear(features // 4, head["num_attrs"] + 1)
        self._settings, self.feature_size = settings, features
        self._proposal_coder = BoxCoder(tuple(rpn["bbox_reg_weights"]))
        self._box_coder = BoxCoder(tuple(head["bbox_reg_weights"]))

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> list[Found]:
        """Of normalised pictures of one size: padding would change what is found."""
        maps = self.pool(self.bn1(self.conv1(pixels)).relu())
        maps = self.layer3(self.layer2(self.layer1(maps)))
        hidden = self.rpn_conv(maps).relu()
        logits = self.rpn_logits(hidden).permute(0, 2, 3, 1).flatten(1)
        deltas = self.rpn_deltas(hidden).permute(0, 2, 3, 1).reshape(len(maps), -1, 4)
        grid, size = self._anchors_on(maps), (pixels.shape[2], pixels.shape[3])
        return [self._describe(one[None], self._proposals(scores, moves, grid, size), size)
                for one, scores, moves in zip(maps, logits, deltas, strict=True)]

    def _anchors_on(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "n 4"]:
        """Every anchor at every cell, row by row."""
        offset = self._settings["anchor_generator"]["offset"]
        ys, xs = ((torch.arange(count, device=maps.device, dtype=maps.dtype) + offset) * _STRIDE_PX
                  for count in maps.shape[2:])
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        return (torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4) + self.anchors).reshape(-1, 4)

    def _proposals(self, logits: Float[Tensor, " anchors"], deltas: Float[Tensor, "anchors 4"],
                   grid: Float[Tensor, "anchors 4"], size: tuple[int, int]) -> Float[Tensor, "n 4"]:
        """Where something may be, surest first; the whole picture where there is nothing."""
        rpn, smallest = self._settings["rpn"], self._settings["proposal_generator"]["min_size"]
        scores, best = logits.topk(min(rpn["pre_nms_topk_test"], len(logits)))
        boxes = clip_boxes_to_image(self._proposal_coder.decode_single(deltas[best], grid[best]), size)
        sound = ((boxes[:, 2:] - boxes[:, :2]) > smallest).all(dim=1)
        boxes, scores = boxes[sound], scores[sound]
        boxes = boxes[nms(boxes, scores, rpn["nms_thresh"])[:rpn["post_nms_topk_test"]]]
        return boxes if len(boxes) else boxes.new_tensor([[0, 0, size[1], size[0]]])

    def _describe(self, maps: Float[Tensor, "1 channels rows columns"], proposals: Float[Tensor, "n 4"],
                  size: tuple[int, int]) -> Found:
        """What is at the proposals of one picture."""
        resolution = self._settings["roi_box_head"]["pooler_resolution"]
        features = self.layer4(roi_pool(maps, [proposals], resolution, 1 / _STRIDE_PX)).mean(dim=(2, 3))
        logits = self.cls_score(features)
        scores, labels = logits.softmax(dim=1)[:, :-1].max(dim=1)
        deltas = self.bbox_pred(features).reshape(len(features), -1, 4)
        own = deltas[torch.arange(len(labels), device=labels.device), labels]
        boxes = clip_boxes_to_image(self._box_coder.decode_single(own, proposals), size)
        kept = self._kept(boxes, scores)
        # Attributes are asked of the likeliest class with background among them, as in the reference.
        embedded = self.cls_embedding(logits[kept].argmax(dim=1))
        attributes = self.attr_score(self.fc_attr(torch.cat([features[kept], embedded], dim=1)).relu())
        attribute_scores, attribute_labels = attributes[:, :-1].softmax(dim=1).max(dim=1)
        return Found(boxes[kept], features[kept], labels[kept], scores[kept], attribute_labels, attribute_scores)

    def _kept(self, boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"]) -> Int[Tensor, " kept"]:
        """Thresholds are tried until enough boxes stay; where none lets enough stay, the one with the most counts.

        The reference has no answer there: it fails, or in a batch takes over what it kept of the picture before.
        """
        thresholds = self._settings["roi_heads"]["nms_thresh_test"]
        fewest, most = self._settings["min_detections"], self._settings["max_detections"]
        best = scores.new_zeros(0, dtype=torch.long)
        for threshold in thresholds if isinstance(thresholds, list | tuple) else [thresholds]:
            kept = nms(boxes, scores, threshold)[:most]
            if len(kept) >= fewest:
                return kept
            best = kept if len(kept) > len(best) else best
        return best


def _stage(resnet: Settings, size_in: int, size_out: int, blocks: int, stride: int, dilated: bool) -> nn.Sequential:
    """`blocks` bottlenecks; the stride is in the first 1x1 convolution where the config says so, as in Caffe."""
    planes = size_out // Bottleneck.expansion
    base_width = 64 * Bottleneck.expansion * resnet["width_per_group"] / resnet["res2_out_channels"]
    shape = {"groups": resnet["num_groups"], "base_width": base_width, "dilation": 2 if dilated else 1}
    shortcut = nn.Sequential(nn.Conv2d(size_in, size_out, 1, stride, bias=False), nn.BatchNorm2d(size_out))
    first = Bottleneck(size_in, planes, stride, shortcut, **shape)
    if resnet["stride_in_1x1"]:
        first.conv1.stride, first.conv2.stride = (stride, stride), (1, 1)
    return nn.Sequential(first, *(Bottleneck(size_out, planes, **shape) for _ in range(blocks - 1)))
