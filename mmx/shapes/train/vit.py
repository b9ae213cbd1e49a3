"""Trains the classifier of the Shapes world, on the stock `ViTForImageClassification`: what is the largest thing?

A small transformer on few pictures learns to see only slowly, so its patches are asked as well, before the last layer,
what lies on them and how large it is.
"""

from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from mmx.shapes.questions import largest_thing
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.train.pool import GROUND, MEAN, STD, Pool, draw_pool, names_loss, normalized, turned
from mmx.shapes.world import CLASSES, draw_scene

SIZE_PX, PATCH_PX = 96, 8
_FIRST_SCENE = 400_000_000
_GROUND_WEIGHT, _SIDE_WEIGHT = 0.2, 10
Batch = tuple[Tensor, int, bool]
"""Scenes, and how they are turned."""


class PatchProbe(nn.Module):
    """Asks hidden states of patches (batch, patches, d) what lies on them, and how wide and high it is."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self._head = nn.Sequential(nn.LayerNorm(hidden_size), nn.Linear(hidden_size, GROUND + 1 + 2))

    def loss(self, states: Tensor, pool: Pool, batch: Batch) -> Tensor:
        scenes, *turn = batch
        names, sides = self._head(states).split([GROUND + 1, 2], dim=2)
        things = turned(pool.cells[scenes], *turn).flatten(1)
        sample, cell = (things >= 0).nonzero(as_tuple=True)
        wanted = pool.boxes[scenes][sample, things[sample, cell], 2:]
        if turn[0] % 2:
            wanted = wanted.flip(1)
        astray = (sides[sample, cell] - wanted).abs().mean()
        return (names_loss(names, turned(pool.names_of_cells(scenes), *turn), _GROUND_WEIGHT)
                + _SIDE_WEIGHT * astray)


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


def train_vit(folder: Path, *, seed: int = 0, steps: int = 9000, batch_size: int = 32, scenes: int = 20_000) -> None:
    """Trains the classifier and writes it, with its image processor, as a `from_pretrained` folder."""
    seed_everything(seed)
    numbers = _doubtless(_FIRST_SCENE + 1_000_000 * seed, scenes + 1000)
    names = _largest_names(numbers)
    pool, held_out = (draw_pool(part, SIZE_PX, PATCH_PX) for part in (numbers[:scenes], numbers[scenes:]))
    model = ViTForImageClassification(build_config()).train()
    probe = PatchProbe(model.config.hidden_size)

    def loss_of(batch: Batch) -> Tensor:
        scenes, *turn = batch
        output = model(pixel_values=normalized(turned(pool.pixels[scenes], *turn)), output_hidden_states=True)
        return (nn.functional.cross_entropy(output.logits, names[scenes])
                + probe.loss(output.hidden_states[-2][:, 1:], pool, batch))

    train([*model.parameters(), *probe.parameters()], turned_batches(scenes, batch_size, seed), loss_of, steps=steps,
          peak_lr=1e-3, warmup_frac=0.03,
          evaluate=lambda: f"{share_right(lambda p: model(pixel_values=p).logits, held_out, names[-1000:]):.4f} right")
    model.eval().save_pretrained(folder)
    processor = ViTImageProcessor(size={"height": SIZE_PX, "width": SIZE_PX}, image_mean=MEAN, image_std=STD)
    processor.save_pretrained(folder)
