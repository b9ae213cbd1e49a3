"""Trains the detector of the Shapes world, on the stock `DetrForObjectDetection`.

A DETR adds positions to queries and keys and never to values, so a box can only be predicted from what the backbone
tells of places; learning that through the decoder alone takes the published models hundreds of epochs. Here the ResNet
is trained first, to say of each cell what lies there and where the cell and the thing are. Then it is frozen (its batch
norms are anyway) and the transformer learns on its maps, with its heads applied to the encoder's tokens as well.
Every decoder layer is supervised (Carion et al. 2020, section 3.2) by reading the intermediate states, since
`auxiliary_loss` changes the forward.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert, box_iou, generalized_box_iou_loss
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetBackbone, ResNetConfig
from transformers.loss.loss_for_object_detection import HungarianMatcher, ImageLoss

from mmx.checkpoints.catalog import WEIGHTS
from mmx.elements.providers.fcos import load_detector
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.train.pool import GROUND, Pool, draw_pool, names_loss, normalized
from mmx.shapes.train.regions import SETTINGS
from mmx.shapes.world import CLASSES

SIZE_PX, CELL_PX = 96, 8
_GRID = SIZE_PX // CELL_PX
_FIRST_SCENE = 300_000_000
_L1_WEIGHT, _GIOU_WEIGHT, _GROUND_WEIGHT = 5, 2, 0.1
Pairs = tuple[Tensor, Tensor]


class _Drawn(nn.Module):
    """Stands where the backbone was: what comes in are its maps already."""

    def forward(self, maps: Tensor, _mask: Tensor) -> list[Pairs]:
        return [(maps, torch.ones(len(maps), *maps.shape[-2:], dtype=torch.bool))]


def build_config() -> DetrConfig:
    backbone: dict[str, Any] = {"use_timm_backbone": False, "use_pretrained_backbone": False,
                                "backbone_config": ResNetConfig(**SETTINGS["backbone"])}
    return DetrConfig(
        **backbone, d_model=64, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=192, decoder_ffn_dim=192, num_queries=12, dropout=0.0,
        attention_dropout=0.0,
        id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)})


def _draws(scenes: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randint(scenes, (batch_size,), generator=random)


def _cells_loss(classes: Tensor, boxes: Tensor, pool: Pool, scenes: Tensor) -> Tensor:
    """Loss of what every cell says lies there: `classes` (batch, cells, labels + 1), `boxes` (batch, cells, 4)."""
    named = names_loss(classes, pool.names_of_cells(scenes), _GROUND_WEIGHT)
    things = pool.cells[scenes].flatten(1)
    sample, cell = (things >= 0).nonzero(as_tuple=True)
    found, wanted = boxes[sample, cell], pool.boxes[scenes][sample, things[sample, cell]]
    corners = [box_convert(box, "cxcywh", "xyxy") for box in (found, wanted)]
    return (named + _L1_WEIGHT * (found - wanted).abs().sum(dim=1).mean()
            + _GIOU_WEIGHT * generalized_box_iou_loss(*corners, reduction="mean"))


def _train_backbone(pool: Pool, steps: int, batch_size: int, seed: int) -> ResNetBackbone:
    backbone = load_detector(WEIGHTS / "shapes-regions").backbone.requires_grad_(True).train()
    classes = GROUND + 1
    head = nn.Sequential(nn.Conv2d(SETTINGS["backbone"]["hidden_sizes"][-1], 96, 1), nn.ReLU(),
                         nn.Conv2d(96, classes + 4 + 2, 1))
    centres = (torch.arange(_GRID) + 0.5) / _GRID
    places = torch.cartesian_prod(centres, centres).flip(1)

    def loss_of(scenes: Tensor) -> Tensor:
        told = head(backbone(normalized(pool.pixels[scenes])).feature_maps[-1]).flatten(2).transpose(1, 2)
        names, boxes, own_places = told.split([classes, 4, 2], dim=2)
        astray = (own_places.sigmoid() - places).abs().sum(dim=2).mean()
        return _cells_loss(names, boxes.sigmoid(), pool, scenes) + _L1_WEIGHT * astray

    train([*backbone.parameters(), *head.parameters()], _draws(len(pool), batch_size, seed), loss_of, steps=steps,
          peak_lr=2e-3, warmup_frac=0.05, weight_decay=1e-4)
    return backbone.eval().requires_grad_(False)


@torch.no_grad()
def _maps(backbone: ResNetBackbone, pool: Pool) -> Tensor:
    """The backbone's last map of every scene, (scenes, channels, g, g), in half precision to spare memory."""
    return torch.cat([backbone(normalized(pixels)).feature_maps[-1].half() for pixels in pool.pixels.split(100)])


def _detection_loss(model: DetrForObjectDetection, criterion: ImageLoss, maps: Tensor, pool: Pool,
                    scenes: Tensor) -> Tensor:
    output = model.model(pixel_values=maps, output_hidden_states=True)
    # The decoder's last hidden state is normalised already; the ones before it are not.
    normalize = model.model.decoder.layernorm
    layers = [normalize(state) for state in output.decoder_hidden_states[1:-1]] + [output.last_hidden_state]
    states = torch.cat(layers)
    targets = [{"class_labels": labels[:count], "boxes": boxes[:count]} for labels, boxes, count in
               zip(pool.labels[scenes], pool.boxes[scenes], pool.counts[scenes].tolist(), strict=True)]
    losses = criterion({"logits": model.class_labels_classifier(states),
                        "pred_boxes": model.bbox_predictor(states).sigmoid()}, targets * len(layers))
    tokens = output.encoder_last_hidden_state
    dense = _cells_loss(model.class_labels_classifier(tokens), model.bbox_predictor(tokens).sigmoid(), pool, scenes)
    matched = losses["loss_ce"] + _L1_WEIGHT * losses["loss_bbox"] + _GIOU_WEIGHT * losses["loss_giou"]
    return len(layers) * matched + dense


@torch.no_grad()
def _found_and_false(model: DetrForObjectDetection, maps: Tensor, pool: Pool) -> str:
    """How many things are found (right class, IoU over 0.5, score over 0.5), and how many detections are wrong."""
    states = model.model(pixel_values=maps).last_hidden_state
    scores, names = model.class_labels_classifier(states).softmax(-1)[..., :-1].max(-1)
    boxes = model.bbox_predictor(states).sigmoid()
    found = false = 0
    for scene, count in enumerate(pool.counts.tolist()):
        kept = scores[scene] > 0.5
        iou = box_iou(box_convert(boxes[scene][kept], "cxcywh", "xyxy"),
                      box_convert(pool.boxes[scene, :count], "cxcywh", "xyxy"))
        hits = int(((iou > 0.5) & (names[scene][kept, None] == pool.labels[scene, None, :count])).any(0).sum())
        found, false = found + hits, false + int(kept.sum()) - hits
    return f"found {found / int(pool.counts.sum()):.4f} of {pool.counts.sum()} things, {false} false detections"


def train_detr(folder: Path, *, seed: int = 0, backbone_steps: int = 1500, steps: int = 8000, batch_size: int = 32,
               scenes: int = 20_000) -> None:
    """Trains the detector and writes it, with its image processor, as a `from_pretrained` folder."""
    seed_everything(seed)
    first = _FIRST_SCENE + 1_000_000 * seed
    pool = draw_pool(range(first, first + scenes), SIZE_PX, CELL_PX)
    held_out = draw_pool(range(first + scenes, first + scenes + 500), SIZE_PX, CELL_PX)
    backbone = _train_backbone(pool, backbone_steps, batch_size, seed)
    maps, held_out_maps = _maps(backbone, pool), _maps(backbone, held_out).float()
    model = DetrForObjectDetection(build_config()).train()
    model.model.backbone.model.load_state_dict(backbone.state_dict(), strict=False)
    whole = model.model.backbone
    model.model.add_module("backbone", _Drawn())
    criterion = ImageLoss(HungarianMatcher(class_cost=1, bbox_cost=_L1_WEIGHT, giou_cost=_GIOU_WEIGHT), len(CLASSES),
                          _GROUND_WEIGHT, ["labels", "boxes"])
    train(model.parameters(), _draws(scenes, batch_size, seed),
          lambda drawn: _detection_loss(model, criterion, maps[drawn].float(), pool, drawn), steps=steps,
          peak_lr=1e-3, warmup_frac=0.03, weight_decay=1e-4,
          evaluate=lambda: _found_and_false(model, held_out_maps, held_out))
    model.model.add_module("backbone", whole)
    model.eval().save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": SIZE_PX, "longest_edge": 2 * SIZE_PX}).save_pretrained(folder)
