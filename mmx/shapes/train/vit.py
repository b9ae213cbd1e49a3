"""Trains the classifier of the Shapes world, on the stock `ViTForImageClassification`: what is the largest thing?

A small transformer on few pictures learns to see only slowly. So its first layers begin as convolutions, and its
patches are asked as well, before the last layer, what lies on them and how large it is.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from mmx.shapes.questions import largest_thing
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.train.pool import GROUND, MEAN, STD, Pool, draw_pool, names_loss, normalized, turned
from mmx.shapes.world import CLASSES, COLORS, SHAPES, draw_scene

SIZE_PX, PATCH_PX = 96, 8
_FIRST_SCENE = 400_000_000
_GROUND_WEIGHT, _SHAPE_WEIGHT, _SIDE_WEIGHT = 0.2, 2, 10
_WAVES, _SHARPNESS = (0.1, 2.0), 2.0
_OFFSETS = (((0, 1), (0, -1), (1, 0), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1)),
            ((0, 2), (0, -2), (2, 0), (-2, 0)))
"""Rows and columns, by layer and head."""
Batch = tuple[Tensor, int, bool]
"""Scenes, and how they are turned."""


class PatchProbe(nn.Module):
    """Asks hidden states of patches (batch, patches, d) which colour and which shape lies on them, and how wide and
    high it is. Colour and shape are asked apart: shapes are hard to learn, and are the same in every colour."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self._sizes = [len(COLORS) + 1, len(SHAPES) + 1, 2]
        self._head = nn.Sequential(nn.LayerNorm(hidden_size), nn.Linear(hidden_size, sum(self._sizes)))

    def loss(self, states: Tensor, pool: Pool, batch: Batch) -> Tensor:
        scenes, quarters, mirrored = batch
        colors, shapes, sides = self._head(states).split(self._sizes, dim=2)
        things = turned(pool.cells[scenes], quarters, mirrored).flatten(1)
        sample, cell = (things >= 0).nonzero(as_tuple=True)
        wanted = pool.boxes[scenes][sample, things[sample, cell], 2:]
        if quarters % 2:
            wanted = wanted.flip(1)
        astray = (sides[sample, cell] - wanted).abs().mean()
        names = turned(pool.names_of_cells(scenes), quarters, mirrored)
        return (names_loss(colors, names // len(SHAPES), _GROUND_WEIGHT)
                + _SHAPE_WEIGHT * names_loss(shapes, (names % len(SHAPES)).where(names != GROUND, len(SHAPES)),
                                             _GROUND_WEIGHT)
                + _SIDE_WEIGHT * astray)


@torch.no_grad()
def begin_as_convolutions(tower: nn.Module, places: Tensor) -> None:
    """Lets each head of all layers but the last attend to one neighbour of every patch, to begin with.

    Positions begin as sines of row and column; queries are keys that are turned by an offset, so the attention of a
    head peaks at that offset. All of it is trained on.

    Args:
        places: position embeddings of the class token and of a square of patches, (1 + patches, d); written into.
    """
    side, width = isqrt(len(places) - 1), places.shape[1]
    waves = torch.linspace(*_WAVES, width // 4)
    angles = torch.outer(torch.arange(side).float(), waves)
    rows, columns = angles.repeat_interleave(side, 0), angles.repeat(side, 1)
    places[0] = 0
    places[1:] = torch.cat([rows.sin(), rows.cos(), columns.sin(), columns.cos()], dim=1)
    attentions: list[Any] = [module for module in tower.modules() if hasattr(module, "q_proj")]
    for attention, offsets in zip(attentions[:-1], _OFFSETS, strict=True):
        query, key = (_selected_waves(waves, offset) for offset in (offsets, [(0, 0)] * len(offsets)))
        attention.q_proj.weight.copy_(query)
        attention.k_proj.weight.copy_(key)


def _selected_waves(waves: Tensor, offsets: Sequence[tuple[int, int]]) -> Tensor:
    """For each head, sines of some waves of row and column, moved by its offset: (d, d)."""
    count = len(waves)
    weight = torch.zeros(len(offsets), count, 4 * count)
    chosen = torch.arange(count - 1, 0, -len(offsets)).flip(0)
    for head, offset in enumerate(offsets):
        for axis, moved in enumerate(offset):
            first = 2 * axis * len(chosen)
            turn = waves[chosen] * moved
            for number, (wave, cosine, sine) in enumerate(zip(chosen.tolist(), turn.cos(), turn.sin(), strict=True)):
                at = 2 * axis * count + wave
                weight[head, first + number, [at, at + count]] = torch.stack([cosine, sine])
                weight[head, first + len(chosen) + number, [at, at + count]] = torch.stack([-sine, cosine])
    return _SHARPNESS * weight.flatten(0, 1)


def turned_batches(scenes: int, batch_size: int, seed: int) -> Iterator[Batch]:
    random = torch.Generator().manual_seed(seed)
    while True:
        quarters, mirrored = torch.randint(4, (2,), generator=random).tolist()
        yield torch.randint(scenes, (batch_size,), generator=random), quarters, mirrored < 2


def build_config() -> ViTConfig:
    return ViTConfig(
        image_size=SIZE_PX, patch_size=PATCH_PX, hidden_size=64, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=192, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)})


def _doubtless(first: int, wanted: int) -> list[int]:
    """Numbers of scenes that have a largest thing."""
    return list(islice((number for number in count(first) if largest_thing(draw_scene(number)) is not None), wanted))


def _largest_names(numbers: list[int]) -> Tensor:
    scenes = [draw_scene(number) for number in numbers]
    return torch.tensor([CLASSES.index(scene.things[index].name) for scene in scenes
                         if (index := largest_thing(scene)) is not None])


@torch.no_grad()
def share_right(logits_of: Callable[[Tensor], Tensor], pool: Pool, wanted: Tensor) -> float:
    right = [logits_of(normalized(pixels)).argmax(1) == names for pixels, names in
             zip(pool.pixels.split(100), wanted.split(100), strict=True)]
    return float(torch.cat(right).float().mean())


def train_vit(folder: Path, *, seed: int = 0, steps: int = 14_000, start: Path | None = None, peak_lr: float = 1e-3,
              batch_size: int = 32, scenes: int = 20_000) -> None:
    """Trains the classifier, anew or from `start` on, and writes it, with its image processor, as a `from_pretrained`
    folder. Another seed has other scenes."""
    seed_everything(seed)
    numbers = _doubtless(_FIRST_SCENE + 1_000_000 * seed, scenes + 1000)
    names = _largest_names(numbers)
    pool, held_out = (draw_pool(part, SIZE_PX, PATCH_PX) for part in (numbers[:scenes], numbers[scenes:]))
    if start is None:
        model = ViTForImageClassification(build_config()).train()
        begin_as_convolutions(model.vit, model.vit.embeddings.position_embeddings[0])
    else:
        model = ViTForImageClassification.from_pretrained(start).train()
    probe = PatchProbe(model.config.hidden_size)

    def loss_of(batch: Batch) -> Tensor:
        scenes, quarters, mirrored = batch
        pixels = normalized(turned(pool.pixels[scenes], quarters, mirrored))
        output = model(pixel_values=pixels, output_hidden_states=True)
        return (nn.functional.cross_entropy(output.logits, names[scenes])
                + probe.loss(output.hidden_states[-2][:, 1:], pool, batch))

    train([*model.parameters(), *probe.parameters()], turned_batches(scenes, batch_size, seed), loss_of, steps=steps,
          peak_lr=peak_lr, warmup_frac=0.03,
          evaluate=lambda: f"{share_right(lambda p: model(pixel_values=p).logits, held_out, names[-1000:]):.4f} right")
    model.eval().save_pretrained(folder)
    processor = ViTImageProcessor(size={"height": SIZE_PX, "width": SIZE_PX}, image_mean=MEAN, image_std=STD)
    processor.save_pretrained(folder)
