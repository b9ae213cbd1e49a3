"""How well relevance lies on what an answer depends on: pointing game, relevance mass and relevance rank.

Accuracy counts everything that was asked. Explanations are scored on right answers that depend on some object, against
the exact mask of those objects.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mmx.metrics import (
    at_centres,
    bootstrap_mean,
    centres_on_mask,
    pointing_hit,
    relevance_map,
    relevance_mass,
    relevance_rank,
)
from mmx.studies.exam.verdicts import Verdict

Values = dict[str, dict[str, list[float]]]
"""group → metric → one value per case"""


@dataclass
class ExamScores:
    """What was measured so far; `measured` holds the values of each method."""

    right_by_kind: dict[str, list[bool]] = field(default_factory=dict)
    chance: dict[str, list[float]] = field(default_factory=dict)
    measured: dict[str, Values] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        """Counts a case, and measures every method on it if the answer is right and depends on something."""
        if not verdict.part:
            self.right_by_kind.setdefault(verdict.kind, []).append(verdict.is_right)
        if not verdict.is_right or not verdict.evidence:
            return
        mask = np.any(verdict.picture.masks[list(verdict.evidence)], axis=0)
        for group in verdict.groups:
            self.chance.setdefault(group, []).append(float(centres_on_mask(verdict.boxes_xyxy_px, mask).mean()))
        for method, relevance in verdict.relevance.items():
            for metric, value in _measured(verdict, relevance, mask).items():
                for group in verdict.groups:
                    self.measured.setdefault(method, {}).setdefault(group, {}).setdefault(metric, []).append(value)

    def summary(self) -> dict[str, Any]:
        """Means with 95 % bootstrap intervals, and each method's paired difference to the first one's."""
        right = np.array([value for values in self.right_by_kind.values() for value in values], dtype=float)
        first = next(iter(self.measured), None)
        return {
            "samples": {"evaluated": len(right), "failed": 0},
            "accuracy": _estimate(right),
            "accuracy_by_kind": {kind: float(np.mean(values)) for kind, values in sorted(self.right_by_kind.items())},
            "pointing_by_chance": {group: float(np.mean(values)) for group, values in self.chance.items()},
            "methods": {method: _estimates(groups) for method, groups in self.measured.items()},
            "difference_to": first,
            "differences": {method: _estimates(groups, self.measured[first])
                            for method, groups in self.measured.items() if first is not None and method != first},
        }


def _measured(verdict: Verdict, scores: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Where grids lie over one another, pointing takes what they come to at the middle of each patch."""
    relevance = relevance_map(verdict.boxes_xyxy_px, scores, mask.shape, verdict.grids)
    if verdict.grids.any():
        scores = at_centres(verdict.boxes_xyxy_px, relevance)
    return {"pointing": pointing_hit(verdict.boxes_xyxy_px, scores, mask), "mass": relevance_mass(relevance, mask),
            "rank": relevance_rank(relevance, mask)}


def _estimates(groups: Values, less: Values | None = None) -> dict[str, dict[str, dict[str, float]]]:
    """Of values, or of their differences to others."""
    return {group: {metric: _estimate(np.array(values) - (0 if less is None else np.array(less[group][metric])))
                    for metric, values in metrics.items()} for group, metrics in groups.items()}


def _estimate(values: np.ndarray) -> dict[str, float]:
    found = asdict(bootstrap_mean(values))
    return {**{name: found[name] for name in ("mean", "low", "high")}, "samples": found["count"]}
