"""Trains the vision-language model of the Shapes world, on the stock `LlavaForConditionalGeneration`.

It answers in a word and describes a scene in a sentence. As LLaVA is (Liu et al. 2023), it is taught by the next word
of its answers alone; that is learned slowly from few pictures, so its patches are asked as well what lies on them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from mmx.checkpoints.catalog import WEIGHTS
from mmx.shapes.questions import Question
from mmx.shapes.train.asked import draw_exchanges, turned_scene
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.train.packing import Packed, are_right, logits_of, losses_of, pack, patches_of
from mmx.shapes.train.patch_words import PatchWords, places_of
from mmx.shapes.train.pool import Pool, draw_pool, normalized, turned
from mmx.shapes.train.vit import PATCH_PX, SIZE_PX, Batch, turned_batches
from mmx.shapes.train.vlm_model import begun, build_processor, goes_on
from mmx.shapes.world import Scene, draw_scene

_FIRST_SCENE = 600_000_000
_WARMUP_STEPS, _TOWER_RATE = 200, 0.25
_PATCH_WEIGHT, _END_WEIGHT, _DESCRIPTION_WEIGHT = 0.5, 0.1, 2.0
_HELD_OUT, _HELD_OUT_QUESTIONS = 200, 8
Exchanges = tuple[int, Batch, list[list[Question]]]
"""The number of the step, scenes, and what is said of each."""


def answer_loss(logits: Tensor, packed: Packed, questions: int) -> Tensor:
    """Of `questions` answers of a word for each picture, and of a description after them if there is one."""
    losses, exchange = losses_of(logits, packed)
    pictures = len(packed.ids)
    each = int(packed.exchange.max() + 1) // pictures
    is_word = exchange % each < questions
    words = losses[is_word].unflatten(0, (-1, 2)).mean(dim=0)
    found = words[0] + _END_WEIGHT * words[1]
    return found + _DESCRIPTION_WEIGHT * losses[~is_word].mean() if each > questions else found


def train_vlm(folder: Path, *, seed: int = 0, steps: int = 9000, start: Path | None = None, peak_lr: float = 2e-3,
              batch_size: int = 8, scenes: int = 20_000, questions: int = 12, described_from: int = 500,
              ordered_from: int = 4000) -> None:
    """Trains the model and writes it, with its processor, as a `from_pretrained` folder.

    `start` is the CLIP that its image tower begins as, by default the one that ships, or a model of this kind to go on
    from. Another seed has other scenes. Descriptions are asked for from step `described_from` on, and which thing from
    the left a patch shows from step `ordered_from` on: asked from the first one, it kept the model from learning to
    answer questions. A model that is gone on from is asked for both at once.
    """
    seed_everything(seed)
    start = start or WEIGHTS / "shapes-clip"
    if goes_on(start):
        described_from = ordered_from = 0
    first = _FIRST_SCENE + 1_000_000 * seed
    numbers, fresh = range(first, first + scenes), range(first + scenes, first + scenes + _HELD_OUT)
    drawn = [draw_scene(number) for number in numbers]
    pool, held_out = (draw_pool(part, SIZE_PX, PATCH_PX) for part in (numbers, fresh))
    places = places_of(drawn, pool.labels.shape[1])
    processor = build_processor()
    tokenizer: PreTrainedTokenizerFast = processor.tokenizer  # type: ignore[attr-defined]
    model = begun(len(tokenizer), start).train()
    language: Any = model.model.language_model
    supervision = PatchWords(language.config.hidden_size, tokenizer)
    tower = list(model.model.vision_tower.parameters())
    of_tower = {id(weight) for weight in tower}
    others = [weight for weight in [*model.parameters(), *supervision.parameters()] if id(weight) not in of_tower]

    def loss_of(exchanges: Exchanges) -> Tensor:
        number, batch, asked = exchanges
        scenes, quarters, mirrored = batch
        patches = patches_of(model, normalized(turned(pool.pixels[scenes], quarters, mirrored)))
        packed = pack(tokenizer, asked)
        return (answer_loss(logits_of(model, packed, patches), packed, questions) + _PATCH_WEIGHT
                * supervision.loss(patches, language.embed_tokens.weight, pool, places, batch, number >= ordered_from))

    def evaluate() -> str:
        return _share_right(model, tokenizer, held_out, [draw_scene(number) for number in fresh])

    train([{"params": others}, {"params": tower, "lr": peak_lr * _TOWER_RATE}],
          _exchanges(drawn, batch_size, seed, questions, described_from), loss_of, steps=steps, peak_lr=peak_lr,
          warmup_frac=_WARMUP_STEPS / steps, betas=(0.9, 0.98), straight_from=2 / 3, evaluate=evaluate,
          evaluate_every=500)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


def _exchanges(scenes: list[Scene], batch_size: int, seed: int, questions: int, described_from: int
               ) -> Iterator[Exchanges]:
    """Endlessly; with descriptions from batch number `described_from` on."""
    random = np.random.default_rng(seed)
    for number, batch in enumerate(turned_batches(len(scenes), batch_size, seed)):
        chosen, quarters, mirrored = batch
        yield number, batch, [draw_exchanges(turned_scene(scenes[index], quarters, mirrored), random, questions,
                                     number >= described_from) for index in chosen.tolist()]


@torch.no_grad()
def _share_right(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, pool: Pool,
                 scenes: list[Scene]) -> str:
    """Of questions by kind, and of descriptions."""
    random = np.random.default_rng(0)
    right: dict[str, list[bool]] = {}
    for start in range(0, len(scenes), 20):
        part = slice(start, start + 20)
        asked = [draw_exchanges(scene, random, _HELD_OUT_QUESTIONS, describes=True) for scene in scenes[part]]
        packed = pack(tokenizer, asked)
        found = are_right(logits_of(model, packed, patches_of(model, normalized(pool.pixels[part]))), packed)
        flat = [question for own in asked for question in own]
        for question, is_right in zip(flat, found.tolist(), strict=True):
            for group in {question.kind, "describe" if question.kind == "describe" else "all questions"}:
                right.setdefault(group, []).append(is_right)
    return "  ".join(f"{kind} {np.mean(values):.3f}" for kind, values in sorted(right.items()))
