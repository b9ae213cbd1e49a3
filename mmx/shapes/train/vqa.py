"""Trains the question answering checkpoints on Shapes; their regions are the shipped detector's detections."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import (
    AutoTokenizer,
    BertTokenizer,
    LxmertConfig,
    LxmertForQuestionAnswering,
    PreTrainedModel,
    VisualBertConfig,
    VisualBertForQuestionAnswering,
)

from mmx.checkpoints.catalog import WEIGHTS
from mmx.checkpoints.families import family_of
from mmx.checkpoints.loading import Source
from mmx.elements import Context, Prepared, encoder_of
from mmx.elements.providers.base import RegionSet
from mmx.elements.providers.fcos import FcosRegions, load_detector
from mmx.families.base import Regions
from mmx.shapes.questions import ANSWERS, all_words, draw_question
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.train.regions import scene_batches
from mmx.shapes.world import draw_scene
from mmx.wiring import run

DETECTOR = "shapes-regions"
_FIRST_SCENE = 200_000_000
_LONGEST_QUESTION = 24
_ANSWERS: dict[str, Any] = {"id2label": dict(enumerate(ANSWERS)),
                            "label2id": {answer: i for i, answer in enumerate(ANSWERS)}}
_NO_DROPOUT: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def build_tokenizer() -> BertTokenizer:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *all_words()]
    return BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, do_lower_case=True,
                         model_max_length=_LONGEST_QUESTION)


def build_lxmert(vocab_size: int, feature_size: int) -> LxmertForQuestionAnswering:
    return LxmertForQuestionAnswering(LxmertConfig(
        vocab_size=vocab_size, hidden_size=96, num_attention_heads=4, intermediate_size=192, l_layers=2, r_layers=2,
        x_layers=3, visual_feat_dim=feature_size, max_position_embeddings=_LONGEST_QUESTION,
        num_qa_labels=len(ANSWERS), **_ANSWERS, **_NO_DROPOUT))


def build_visual_bert(vocab_size: int, feature_size: int) -> VisualBertForQuestionAnswering:
    return VisualBertForQuestionAnswering(VisualBertConfig(
        vocab_size=vocab_size, hidden_size=96, num_attention_heads=4, intermediate_size=192, num_hidden_layers=6,
        visual_embedding_dim=feature_size, max_position_embeddings=_LONGEST_QUESTION, **_ANSWERS, **_NO_DROPOUT))


BUILDERS: dict[str, Callable[[int, int], PreTrainedModel]] = {"lxmert": build_lxmert, "visual_bert": build_visual_bert}

# One stream learns places from the features alone; LXMERT has its own input for boxes.
_BOX_SCALES = {"lxmert": 1, "visual_bert": 8}

# Comparing the places of two things is learned long after everything else, so it is asked more often.
_HARD_KINDS, _HARD_SHARE = ("beside", "beside", "place"), 0.55


class SceneQuestions(IterableDataset):
    """Endless (region set, question, answer) over scenes whose regions are known, a fresh question each time."""

    def __init__(self, regions: list[RegionSet], first_scene: int, seed: int) -> None:
        self._regions, self._seed = regions, seed
        self._scenes = [draw_scene(first_scene + index) for index in range(len(regions))]

    def __iter__(self) -> Iterator[tuple[RegionSet, str, int]]:
        random = np.random.default_rng(self._seed)
        while True:
            index = int(random.integers(len(self._regions)))
            hard = str(random.choice(_HARD_KINDS)) if random.random() < _HARD_SHARE else None
            try:
                question = draw_question(self._scenes[index], int(random.integers(2**40)), hard)
            except LookupError:
                continue
            yield self._regions[index], question.text, ANSWERS.index(question.answer)


def regions_of_scenes(detector: FcosRegions, first: int, count: int) -> list[RegionSet]:
    """What the detector sees in scenes `first` to `first + count`, drawn at the size that it takes."""
    return [found for pictures, _ in scene_batches(first, count, 100) for found in detector.of_pixels(pictures)]


def _take_over(model: PreTrainedModel, tokenizer: BertTokenizer, start: Path) -> None:
    """Weights of another checkpoint of the same size, whose words and answers may be fewer."""
    words = AutoTokenizer.from_pretrained(start).get_vocab()
    known = {index: words[word] for word, index in tokenizer.get_vocab().items() if word in words}
    state = model.state_dict()
    for name, weights in load_file(start / "model.safetensors").items():
        if name.endswith("word_embeddings.weight"):
            state[name][list(known)] = weights[list(known.values())]
        else:
            state[name][:len(weights)] = weights
    model.load_state_dict(state)


def train_vqa(kind: str, folder: Path, *, seed: int = 0, steps: int = 12_000, batch_size: int = 64,
              scenes: int = 20_000, peak_lr: float = 7e-4, start: Path | None = None) -> None:
    """Trains a small model of family `kind` and writes it, with tokenizer and `regions.json`, into `folder`.

    `start` is a checkpoint folder to go on from; the default is from nothing.
    """
    seed_everything(seed)
    tokenizer, detector = build_tokenizer(), load_detector(WEIGHTS / DETECTOR, box_scale=_BOX_SCALES[kind])
    model = BUILDERS[kind](len(tokenizer), detector.feature_size)
    if start is not None:
        _take_over(model, tokenizer, start)
    _, family, _ = family_of(model.config, kind)
    context = Context(Source(kind, folder), model.config, "cpu")
    regions_encoder = next(encoder_of(one, context) for one in family.inputs if isinstance(one, Regions))
    first_scene = _FIRST_SCENE + 1_000_000 * seed
    regions = regions_of_scenes(detector, first_scene, scenes)
    held_out = regions_of_scenes(detector, first_scene + scenes, 1000)

    def collate(samples: list[tuple[RegionSet, str, int]]) -> tuple[dict[str, Tensor], Tensor]:
        found, questions, answers = zip(*samples, strict=True)
        text = tokenizer(list(questions), padding=True, return_tensors="pt", return_token_type_ids=True)
        seen = [Prepared({"features": one.features, "boxes": one.boxes_xyxy_unit}, ()) for one in found]
        return {**text, **regions_encoder.collate(seen)}, torch.tensor(answers)

    def batches(pool: list[RegionSet], first: int, draw_seed: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        return iter(DataLoader(SceneQuestions(pool, first, draw_seed), batch_size, collate_fn=collate, num_workers=1,
                               prefetch_factor=8))

    def loss_of(batch: tuple[dict[str, Tensor], Tensor]) -> Tensor:
        inputs, answers = batch
        return torch.nn.functional.cross_entropy(run(model, family, inputs)["logits"], answers)

    @torch.no_grad()
    def accuracy() -> str:
        fresh = batches(held_out, first_scene + scenes, seed + 1)
        right = [run(model, family, inputs)["logits"].argmax(1) == answers for inputs, answers in
                 (next(fresh) for _ in range(30))]
        return f"accuracy {torch.cat(right).float().mean():.4f} on held-out scenes"

    model.train()
    train(model.parameters(), batches(regions, first_scene, seed), loss_of, steps=steps, peak_lr=peak_lr,
          evaluate=accuracy)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "regions.json").write_text(json.dumps(
        {"provider": "fcos", "detector": DETECTOR, "box_scale": _BOX_SCALES[kind]}, indent=2) + "\n", encoding="utf-8")
