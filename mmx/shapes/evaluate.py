"""Scores a question answering model and its explanations on fresh scenes, whose truth is known.

Accuracy counts every question. Explanations are scored on right answers that depend on some object, against the
exact mask of those objects: pointing game, relevance mass and relevance rank.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from mmx.explainer import Job, Model
from mmx.images import open_picture
from mmx.methods import Method
from mmx.metrics import bootstrap_mean, centres_on_mask, pointing_hit, relevance_map, relevance_mass, relevance_rank
from mmx.shapes.questions import Question, draw_question
from mmx.shapes.world import Picture, draw_scene, render
from mmx.types import Explanation

# Scenes of training start at 1,000,000.
FRESH_SCENES = 0
PICTURE_SIZE_PX = 288

METRICS = ("pointing", "mass", "rank")


@dataclass
class ShapesScores:
    """What `evaluate_answers` measured; `found` is method → group → metric → one value per question."""

    questions: int = 0
    right_by_kind: dict[str, list[bool]] = field(default_factory=dict)
    chance: dict[str, list[float]] = field(default_factory=dict)
    found: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def summary(self) -> dict:
        """Means with 95 % bootstrap intervals, and each method's paired difference to the first one's."""
        right = np.array([value for values in self.right_by_kind.values() for value in values], dtype=float)
        default = next(iter(self.found), None)
        return {
            "questions": self.questions,
            "accuracy": asdict(bootstrap_mean(right)),
            "accuracy_by_kind": {kind: float(np.mean(values)) for kind, values in sorted(self.right_by_kind.items())},
            "pointing_by_chance": {group: float(np.mean(values)) for group, values in self.chance.items()},
            "methods": {method: {group: {metric: asdict(bootstrap_mean(np.array(values)))
                                         for metric, values in metrics.items()} for group, metrics in groups.items()}
                        for method, groups in self.found.items()},
            "difference_to": default,
            "differences": {method: {group: {metric: asdict(bootstrap_mean(
                np.array(values) - np.array(self.found[default][group][metric])))
                for metric, values in metrics.items()} for group, metrics in groups.items()}
                for method, groups in self.found.items() if default is not None and method != default},
        }


def evaluate_answers(model: Model, methods: Sequence[Method], *, scenes: int, first_scene: int = FRESH_SCENES,
                     batch_size: int = 32, advance: Callable[[int], None] = lambda count: None) -> ShapesScores:
    """One question for each of `scenes` fresh scenes, explained by every method."""
    scores = ShapesScores()
    for start in range(first_scene, first_scene + scenes, batch_size):
        samples = list(_samples(start, min(batch_size, first_scene + scenes - start)))
        jobs = [Job(open_picture(picture.image), question.text) for picture, question in samples]
        for (picture, question), explanations in zip(samples, model.explain_batch(jobs, methods), strict=True):
            _score(scores, picture, question, explanations)
        advance(len(samples))
    return scores


def _samples(first: int, count: int) -> Iterator[tuple[Picture, Question]]:
    for seed in range(first, first + count):
        scene = draw_scene(seed)
        yield render(scene, PICTURE_SIZE_PX), draw_question(scene, seed)


def _score(scores: ShapesScores, picture: Picture, question: Question, explanations: Sequence[Explanation]) -> None:
    is_right = explanations[0].predictions[0].label == question.answer
    scores.questions += 1
    scores.right_by_kind.setdefault(question.kind, []).append(is_right)
    if not is_right or not question.evidence:
        return
    mask = picture.masks[list(question.evidence)].any(axis=0)
    boxes = np.array([region.box_xyxy_px for region in explanations[0].regions])
    groups = ("one object", "all") if len(question.evidence) == 1 else ("all",)
    for group in groups:
        scores.chance.setdefault(group, []).append(float(centres_on_mask(boxes, mask).mean()))
    for explanation in explanations:
        values = _measured(boxes, explanation.scores["image"], mask)
        for group in groups:
            kept = scores.found.setdefault(explanation.method, {}).setdefault(group, {})
            for metric, value in values.items():
                kept.setdefault(metric, []).append(value)


def _measured(boxes: np.ndarray, scores: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    relevance = relevance_map(boxes, scores, mask.shape)
    return {"pointing": pointing_hit(boxes, scores, mask), "mass": relevance_mass(relevance, mask),
            "rank": relevance_rank(relevance, mask)}
