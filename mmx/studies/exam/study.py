"""Scores a model and its explanations on fresh scenes, whose truth is known.

Accuracy counts everything that was asked. Explanations are scored on right answers that depend on some object, against
the exact mask of those objects: pointing game, relevance mass and relevance rank.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from mmx.explainer import Model
from mmx.methods import Method
from mmx.metrics import bootstrap_mean, centres_on_mask, pointing_hit, relevance_map, relevance_mass, relevance_rank
from mmx.studies.exam.asking import Exam, Verdict

# Scenes of training start at 1,000,000.
FRESH_SCENES = 0

METRICS = ("pointing", "mass", "rank")


@dataclass
class ShapesScores:
    """What `evaluate` measured; `found` is method → group → metric → one value per question."""

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


def evaluate(model: Model, exam: Exam, methods: Sequence[Method], *, scenes: int, first_scene: int = FRESH_SCENES,
             batch_size: int = 32, advance: Callable[[int], None] = lambda count: None) -> ShapesScores:
    """What an exam asks about `scenes` fresh scenes, explained by every method."""
    scores = ShapesScores()
    for start in range(first_scene, first_scene + scenes, batch_size):
        numbers = range(start, min(start + batch_size, first_scene + scenes))
        for verdict in exam(model, methods, numbers):
            _score(scores, verdict)
        advance(len(numbers))
    return scores


def _score(scores: ShapesScores, verdict: Verdict) -> None:
    scores.questions += 1
    scores.right_by_kind.setdefault(verdict.kind, []).append(verdict.is_right)
    if not verdict.is_right or not verdict.evidence:
        return
    mask = verdict.picture.masks[list(verdict.evidence)].any(axis=0)
    groups = ("one object", "all") if len(verdict.evidence) == 1 else ("all",)
    for group in groups:
        scores.chance.setdefault(group, []).append(float(centres_on_mask(verdict.boxes_xyxy_px, mask).mean()))
    for method, relevance in verdict.relevance.items():
        values = _measured(verdict.boxes_xyxy_px, relevance, mask)
        for group in groups:
            kept = scores.found.setdefault(method, {}).setdefault(group, {})
            for metric, value in values.items():
                kept.setdefault(metric, []).append(value)


def _measured(boxes: np.ndarray, scores: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    relevance = relevance_map(boxes, scores, mask.shape)
    return {"pointing": pointing_hit(boxes, scores, mask), "mass": relevance_mass(relevance, mask),
            "rank": relevance_rank(relevance, mask)}
