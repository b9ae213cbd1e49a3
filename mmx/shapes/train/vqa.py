"""Trains a question answering checkpoint on Shapes, its regions being the shipped detector's detections."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import BertTokenizer, LxmertConfig, LxmertForQuestionAnswering, PreTrainedModel

from mmx.checkpoints import load_network, resolve
from mmx.families._vqa import VqaFamily
from mmx.families.base import get_family
from mmx.regions.base import RegionSet
from mmx.regions.detr import DetrRegions
from mmx.shapes.questions import ANSWERS, all_words, draw_question
from mmx.shapes.train.detr import DetectionScenes
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.world import draw_scene

DETECTOR = "shapes-detr"
_FIRST_SCENE = 200_000_000
_LONGEST_QUESTION = 24


def build_tokenizer() -> BertTokenizer:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *all_words()]
    return BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, do_lower_case=True,
                         model_max_length=_LONGEST_QUESTION)


def lxmert_config(vocab_size: int, feature_size: int) -> LxmertConfig:
    return LxmertConfig(
        vocab_size=vocab_size, hidden_size=96, num_attention_heads=4, intermediate_size=192, l_layers=2, r_layers=2,
        x_layers=3, visual_feat_dim=feature_size, max_position_embeddings=_LONGEST_QUESTION,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **_answers())


def _answers() -> dict:
    return {"num_qa_labels": len(ANSWERS), "id2label": dict(enumerate(ANSWERS)),
            "label2id": {answer: index for index, answer in enumerate(ANSWERS)}}


class SceneQuestions(IterableDataset):
    """Endless (region set, question, answer) over scenes whose regions are known, a fresh question each time."""

    def __init__(self, regions: list[RegionSet], first_scene: int, seed: int) -> None:
        self._regions, self._first, self._seed = regions, first_scene, seed

    def __iter__(self) -> Iterator[tuple[RegionSet, str, int]]:
        random = np.random.default_rng(self._seed)
        while True:
            index = int(random.integers(len(self._regions)))
            question = draw_question(draw_scene(self._first + index), int(random.integers(2**40)))
            yield self._regions[index], question.text, ANSWERS.index(question.answer)


def regions_of_scenes(detector: DetrRegions, first: int, count: int, batch_size: int = 100) -> list[RegionSet]:
    """What the detector sees in scenes `first` to `first + count`, drawn at the size that it takes."""
    scenes = DataLoader(DetectionScenes(first, count), batch_size, num_workers=1,
                        collate_fn=lambda samples: torch.stack([sample[0] for sample in samples]))
    return [found for pixels in scenes for found in detector.of_pixels(pixels)]


def train_lxmert(folder: Path, *, seed: int = 0, steps: int = 8000, batch_size: int = 64, scenes: int = 30_000) -> None:
    """Trains the small LXMERT and writes it, with its tokenizer and `regions.json`, as a checkpoint folder."""
    seed_everything(seed)
    tokenizer = build_tokenizer()
    detector_network = load_network(resolve(DETECTOR), "DetrForObjectDetection")
    model = LxmertForQuestionAnswering(lxmert_config(len(tokenizer), detector_network.config.d_model))
    _train(model, tokenizer, detector_network, folder, seed, steps, batch_size, scenes, peak_lr=7e-4)


def _train(model: PreTrainedModel, tokenizer: BertTokenizer, detector_network: PreTrainedModel, folder: Path,
           seed: int, steps: int, batch_size: int, scenes: int, peak_lr: float) -> None:
    family = get_family(model.config.model_type)
    assert isinstance(family, VqaFamily)
    detector = DetrRegions(detector_network, None, DETECTOR)
    first_scene = _FIRST_SCENE + 1_000_000 * seed
    regions = regions_of_scenes(detector, first_scene, scenes)
    held_out = regions_of_scenes(detector, first_scene + scenes, 1000)

    def collate(samples: list[tuple[RegionSet, str, int]]) -> tuple[dict[str, Tensor], Tensor]:
        found, questions, answers = zip(*samples, strict=True)
        return dict(family.encode(tokenizer, questions, found)), torch.tensor(answers)

    def loader(pool: list[RegionSet], first: int, draw_seed: int) -> Iterator:
        return iter(DataLoader(SceneQuestions(pool, first, draw_seed), batch_size, collate_fn=collate, num_workers=1,
                               prefetch_factor=8))

    def loss_of(batch: tuple[dict[str, Tensor], Tensor]) -> Tensor:
        inputs, answers = batch
        return torch.nn.functional.cross_entropy(family.logits(model, inputs), answers)

    @torch.no_grad()
    def accuracy() -> str:
        model.eval()
        batches = loader(held_out, first_scene + scenes, seed + 1)
        right = [family.logits(model, inputs).argmax(1) == answers for inputs, answers in
                 (next(batches) for _ in range(30))]
        model.train()
        return f"accuracy {torch.cat(right).float().mean():.4f} on held-out scenes"

    model.train()
    train(model.parameters(), loader(regions, first_scene, seed), loss_of, steps=steps, peak_lr=peak_lr,
          evaluate=accuracy)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "regions.json").write_text(json.dumps({"provider": "detr", "checkpoint": DETECTOR}, indent=2) + "\n")
