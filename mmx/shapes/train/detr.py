"""Trains the detector of the Shapes world, on the stock `DetrForObjectDetection`.

DETR's batch norms are frozen, so, as for the published checkpoints, its ResNet is trained first (here to name
what lies under each cell of its last grid) and the whole detector after that. Every decoder layer is supervised
(Carion et al. 2020, section 3.2) by reading the intermediate states, since `auxiliary_loss` changes the forward.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetBackbone, ResNetConfig
from transformers.loss.loss_for_object_detection import HungarianMatcher, ImageLoss

from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.world import CLASSES, draw_scene, render

SIZE_PX = 96
_CELL_PX = 8
_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class DetectionScenes(Dataset):
    """Scene `first + i` as (pixels (3, S, S), class of every cell, class of every thing, boxes cxcywh in [0, 1])."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        scene = draw_scene(self.first + index)
        picture = render(scene, SIZE_PX)
        labels = torch.tensor([CLASSES.index(thing.name) for thing in scene.things])
        x0, y0, x1, y1 = torch.from_numpy(picture.boxes_xyxy_px).unbind(1)
        boxes_cxcywh_unit = torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], dim=1) / SIZE_PX
        centres = slice(_CELL_PX // 2, None, _CELL_PX)
        cells = torch.full((SIZE_PX // _CELL_PX,) * 2, len(CLASSES))
        for label, mask in zip(labels, torch.from_numpy(picture.masks[:, centres, centres]), strict=True):
            cells[mask] = label
        pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1).float() / 255
        return (pixels - _MEAN) / _STD, cells, labels, boxes_cxcywh_unit


def _collate(samples: list) -> tuple[torch.Tensor, torch.Tensor, list[dict[str, torch.Tensor]]]:
    pixels, cells, labels, boxes = zip(*samples, strict=True)
    targets = [{"class_labels": c, "boxes": b} for c, b in zip(labels, boxes, strict=True)]
    return torch.stack(pixels), torch.stack(cells), targets


def _batches(first: int, count: int, batch_size: int) -> Iterator:
    return iter(DataLoader(DetectionScenes(first, count), batch_size, collate_fn=_collate, num_workers=1,
                           prefetch_factor=4))


def build_config() -> DetrConfig:
    backbone = ResNetConfig(embedding_size=32, hidden_sizes=[32, 64], depths=[1, 2], layer_type="basic",
                            out_features=["stage2"])
    return DetrConfig(
        use_timm_backbone=False, backbone_config=backbone, use_pretrained_backbone=False,
        d_model=64, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=192, decoder_ffn_dim=192, num_queries=12, dropout=0.0, attention_dropout=0.0,
        id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)})


def _train_backbone(config: DetrConfig, steps: int, batch_size: int, first_scene: int) -> dict[str, torch.Tensor]:
    backbone = ResNetBackbone(config.backbone_config)
    head = torch.nn.Conv2d(config.backbone_config.hidden_sizes[-1], len(CLASSES) + 1, kernel_size=1)

    def loss_of(batch: tuple) -> torch.Tensor:
        pixels, cells, _ = batch
        return torch.nn.functional.cross_entropy(head(backbone(pixels).feature_maps[-1]), cells)

    train([*backbone.parameters(), *head.parameters()], _batches(first_scene, steps * batch_size, batch_size), loss_of,
          steps=steps, peak_lr=2e-3)
    return backbone.eval().state_dict()


def _detection_loss(model: DetrForObjectDetection, criterion: ImageLoss, batch: tuple) -> torch.Tensor:
    pixels, _, targets = batch
    output = model(pixel_values=pixels, output_hidden_states=True)
    # The decoder's last hidden state is normalised already; the ones before it are not.
    decoder = model.model.decoder
    layers = [decoder.layernorm(state) for state in output.decoder_hidden_states[1:-1]] + [output.last_hidden_state]
    states = torch.cat(layers)
    losses = criterion({"logits": model.class_labels_classifier(states),
                        "pred_boxes": model.bbox_predictor(states).sigmoid()}, targets * len(layers))
    return losses["loss_ce"] + 5 * losses["loss_bbox"] + 2 * losses["loss_giou"]


@torch.no_grad()
def _found_and_false(model: DetrForObjectDetection, scenes: int = 500) -> str:
    """How many things are found (right class, IoU over 0.5, score over 0.5), and how many detections are wrong."""
    from torchvision.ops import box_convert, box_iou

    model.eval()
    found = things = false = 0
    for pixels, _, targets in _batches(500_000, scenes, 50):
        output = model(pixel_values=pixels)
        scores, labels = output.logits.softmax(-1)[..., :-1].max(-1)
        for score, label, box, target in zip(scores, labels, output.pred_boxes, targets, strict=True):
            kept = score > 0.5
            iou = box_iou(box_convert(box[kept], "cxcywh", "xyxy"), box_convert(target["boxes"], "cxcywh", "xyxy"))
            right = (iou > 0.5) & (label[kept][:, None] == target["class_labels"][None])
            hits = int(right.any(0).sum())
            found, things, false = found + hits, things + len(target["boxes"]), false + int(kept.sum()) - hits
    model.train()
    return f"found {found / things:.4f} of {things} things, {false} false detections in {scenes} scenes"


def train_detr(folder: Path, *, seed: int = 0, backbone_steps: int = 2000, steps: int = 8000,
               batch_size: int = 32) -> None:
    """Trains the detector and writes it, with its image processor, as a `from_pretrained` folder."""
    seed_everything(seed)
    first_scene = 1_000_000 + 10_000_000 * seed
    config = build_config()
    weights = _train_backbone(config, backbone_steps, batch_size, first_scene)
    model = DetrForObjectDetection(config)
    model.model.backbone.model.load_state_dict(weights, strict=False)
    model.requires_grad_(True).train()
    criterion = ImageLoss(HungarianMatcher(class_cost=1, bbox_cost=5, giou_cost=2), len(CLASSES), 0.1,
                          ["labels", "boxes"])
    first_scene += backbone_steps * batch_size
    train(model.parameters(), _batches(first_scene, steps * batch_size, batch_size),
          lambda batch: _detection_loss(model, criterion, batch), steps=steps, peak_lr=5e-4, warmup_frac=0.05,
          weight_decay=1e-4, clip_norm=1.0, evaluate=lambda: _found_and_false(model))
    model.eval().save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": SIZE_PX, "longest_edge": 2 * SIZE_PX}).save_pretrained(folder)
