"""Trains the region detector that the shipped question answering checkpoints look through."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FCOS
from torchvision.ops import box_iou

from mmx.elements.providers.fcos import CONFIG_NAME, WEIGHTS_NAME, FcosRegions, build_detector
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.world import CLASSES, draw_scene, render

SIZE_PX = 96
SETTINGS = {
    "backbone": {"embedding_size": 32, "hidden_sizes": [32, 64], "depths": [1, 2], "layer_type": "basic",
                 "out_features": ["stage2"]},
    "labels": list(CLASSES), "size_px": SIZE_PX, "stride_px": 8, "head_layers": 2, "threshold": 0.4,
}

Sample = tuple[Tensor, dict[str, Tensor]]


class RegionScenes(Dataset):
    """Scene `first + i` as pixels (3, S, S) in [0, 1], with its boxes xyxy in pixels and its labels."""

    def __init__(self, first: int, count: int) -> None:
        self._first, self._count = first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        scene = draw_scene(self._first + index)
        picture = render(scene, SIZE_PX)
        labels = torch.tensor([CLASSES.index(thing.name) for thing in scene.things])
        pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1).float() / 255
        return pixels, {"boxes": torch.from_numpy(picture.boxes_xyxy_px), "labels": labels}


def scene_batches(first: int, count: int, batch_size: int) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
    def collate(samples: list[Sample]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        return [sample[0] for sample in samples], [sample[1] for sample in samples]

    return iter(DataLoader(RegionScenes(first, count), batch_size, collate_fn=collate, num_workers=1,
                           prefetch_factor=4))


def found_and_false(detector: FCOS, scenes: int = 500) -> str:
    """How many things are found (right name, IoU over 0.5) and how many detections are of nothing."""
    provider = FcosRegions(detector, CLASSES, "")
    found = things = false = 0
    for pictures, targets in scene_batches(500_000, scenes, 50):
        for regions, target in zip(provider.of_pixels(pictures), targets, strict=True):
            names = torch.tensor([CLASSES.index(label) if label else -1 for label in regions.labels])
            iou = box_iou(regions.boxes_xyxy_unit * SIZE_PX, target["boxes"])
            hits = int(((iou > 0.5) & (names[:, None] == target["labels"][None])).any(0).sum())
            found, things, false = found + hits, things + len(target["boxes"]), false + len(names) - hits
    detector.train().requires_grad_(True)
    return f"found {found / things:.4f} of {things} things, {false} false detections in {scenes} scenes"


def train_regions(folder: Path, *, seed: int = 0, steps: int = 1000, batch_size: int = 32) -> None:
    """Trains the detector and writes `detector.json` and `model.safetensors`."""
    seed_everything(seed)
    detector = build_detector(SETTINGS).train()

    def loss_of(batch: tuple[list[Tensor], list[dict[str, Tensor]]]) -> Tensor:
        return torch.stack(list(detector(*batch).values())).sum()

    first = 1_000_000 + 10_000_000 * seed
    train(detector.parameters(), scene_batches(first, steps * batch_size, batch_size), loss_of, steps=steps,
          peak_lr=2e-3, warmup_frac=0.05, weight_decay=1e-4, evaluate=lambda: found_and_false(detector),
          evaluate_every=500)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).write_text(json.dumps(SETTINGS, indent=2) + "\n", encoding="utf-8")
    save_file({name: value.contiguous() for name, value in detector.state_dict().items()}, folder / WEIGHTS_NAME)
