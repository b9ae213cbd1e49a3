"""Drawn scenes kept in memory: training goes over them many times, and drawing one costs more than a small step."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmx.shapes.world import CLASSES, draw_scene, render

GROUND = len(CLASSES)
MOST_THINGS = 7
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Pool:
    """Scenes of one size; what a scene has fewer of is padded.

    `pixels` is (scenes, 3, S, S) uint8. Of things, at most 7 a scene: `counts` (scenes,), `labels` (scenes, 7), `boxes`
    (scenes, 7, 4) cxcywh in [0, 1] and `areas_px` (scenes, 7), 0 in padding. `cells` (scenes, g, g) is the index of the
    thing at the centre of each cell of a grid, -1 where there is none.
    """

    pixels: Tensor
    counts: Tensor
    labels: Tensor
    boxes: Tensor
    areas_px: Tensor
    cells: Tensor

    def __len__(self) -> int:
        return len(self.pixels)

    def names_of_cells(self, scenes: Tensor) -> Tensor:
        """The class of every cell, (scenes, g, g); GROUND where there is nothing."""
        cells = self.cells[scenes]
        return self.labels[scenes].gather(1, cells.flatten(1).clamp(min=0)).view_as(cells).where(cells >= 0, GROUND)


def names_loss(logits: Tensor, names: Tensor, ground_weight: float) -> Tensor:
    """Cross entropy of what each cell says lies there, `logits` (batch, cells, classes + 1), `names` (batch, g, g).

    The last class is the ground.
    """
    weight = torch.ones(logits.shape[2])
    weight[-1] = ground_weight
    return nn.functional.cross_entropy(logits.transpose(1, 2), names.flatten(1), weight)


class _Scenes(Dataset):
    def __init__(self, numbers: Sequence[int], size_px: int, cell_px: int) -> None:
        self._numbers, self._size_px, self._cell_px = numbers, size_px, cell_px

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        scene = draw_scene(self._numbers[index])
        picture = render(scene, self._size_px)
        count = len(scene.things)
        masks = torch.from_numpy(picture.masks)
        labels, boxes, areas = torch.zeros(MOST_THINGS).long(), torch.zeros(MOST_THINGS, 4), torch.zeros(MOST_THINGS)
        labels[:count] = torch.tensor([CLASSES.index(thing.name) for thing in scene.things])
        x0, y0, x1, y1 = torch.from_numpy(picture.boxes_xyxy_px).unbind(1)
        boxes[:count] = torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], dim=1) / self._size_px
        areas[:count] = masks.sum(dim=(1, 2)).float()
        centres = slice(self._cell_px // 2, None, self._cell_px)
        at_centre = masks[:, centres, centres]
        cells = at_centre.byte().argmax(dim=0).where(at_centre.any(dim=0), -1)
        return torch.from_numpy(picture.pixels).permute(2, 0, 1), torch.tensor(count), labels, boxes, areas, cells


def draw_pool(numbers: Sequence[int], size_px: int, cell_px: int) -> Pool:
    """The scenes of these numbers, drawn by two processes."""
    drawn = DataLoader(_Scenes(numbers, size_px, cell_px), batch_size=250, num_workers=2)
    return Pool(*(torch.cat(parts) for parts in zip(*drawn, strict=True)))


def turned(images: Tensor, quarters: int, mirrored: bool) -> Tensor:
    """Images (..., n, n) turned and mirrored: where places do not matter, that makes eight scenes of one."""
    images = torch.rot90(images, quarters, (-2, -1))
    return images.flip(-1) if mirrored else images


def normalized(pixels: Tensor) -> Tensor:
    """uint8 pixels (batch, 3, H, W) as the image processors of the shipped checkpoints hand them to a network."""
    return (pixels.float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
