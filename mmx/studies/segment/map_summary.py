"""What a study of maps comes to: means over items, with intervals over pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmx.datasets.coco import Instances
from mmx.errors import MmxError
from mmx.metrics import bootstrap_means
from mmx.results import SCHEMA_VERSION
from mmx.studies.runs import Run
from mmx.studies.segment.asking import CategoriesAsked
from mmx.studies.segment.maps import METRICS

GROUPS = {"recognised": "of categories that the model recognises", "all": "of all categories"}
"""What maps are measured on."""
BASELINES = ("chance", "centre")
_WHOLE = 10**6
"""Values have six digits: as whole numbers they are summed up exactly, in whatever order."""
Estimate = dict[str, float]


def summed_up(run: Run, instances: Instances, asking: CategoriesAsked, parameters: Mapping[str, Any],
              skipped: int) -> dict[str, Any]:
    """The summary of a run that went through all its pictures.

    Args:
        skipped: pictures without a category that can be asked about.

    Raises:
        MmxError: no picture was evaluated.
    """
    methods: Sequence[str] = parameters["methods"]
    sums = {group: _Sums((*BASELINES, *methods)) for group in GROUPS}
    evaluated, by_category = 0, {}
    for record in run.records():
        evaluated += 1
        for group, own in sums.items():
            own.add([item for item in record["items"] if item["recognised"] or group == "all"])
        for category in {item["category"] for item in record["items"]}:
            about = [item for item in record["items"] if item["category"] == category]
            counts = by_category.setdefault(category, {"pictures": 0, "recognised": 0})
            counts["pictures"] += 1
            counts["recognised"] += any(item["recognised"] for item in about)
    failures = [{"sample": one["id"], "error": one["error"]} for one in run.records(failed=True)]
    if not evaluated:
        raise MmxError("No picture could be evaluated.", "The lines above say why.")
    return {
        "schema_version": SCHEMA_VERSION, "protocol": "maps", "parameters": dict(parameters),
        "samples": {"evaluated": evaluated, "failed": len(failures), "without_category": skipped},
        "recognised_if": asking.recognises,
        "categories": {instances.categories[number]: {"stands_for": list(asking.stands_for[number]), **counts}
                       for number, counts in sorted(by_category.items())},
        "groups": {group: own.summary(methods[0]) for group, own in sums.items()},
        "failures": failures,
    }


class _Sums:
    """Of each picture how many items it has, and for each method the sums of their values."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.rows: list[np.ndarray] = []

    def add(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Counts a picture, unless it has none."""
        if items:
            values = np.array([[item[name] if name in BASELINES else item["methods"][name] for name in self.names]
                               for item in items])
            self.rows.append(np.append(len(items), (values * _WHOLE).round().sum(axis=0)))

    def summary(self, first: str) -> dict[str, Any]:
        """Means over items with 95 % intervals of resampled pictures, and paired differences to the first method's."""
        counts = {"pictures": len(self.rows), "items": int(sum(row[0] for row in self.rows))}
        if not self.rows:
            return {**counts, **dict.fromkeys(BASELINES), "methods": {}, "difference_to": first, "differences": {}}
        rows = np.array(self.rows)
        drawn, whole = bootstrap_means(rows), rows.sum(axis=0)
        shape = (len(self.names), len(METRICS))
        drawn = (drawn[:, 1:] / drawn[:, :1] / _WHOLE).reshape(-1, *shape)
        mean = (whole[1:] / whole[0] / _WHOLE).reshape(shape)
        own = {name: _estimates(mean[place], drawn[:, place]) for place, name in enumerate(self.names)}
        base = self.names.index(first)
        return {**counts, **{name: own.pop(name) for name in BASELINES}, "methods": own, "difference_to": first,
                "differences": {name: _estimates(mean[place] - mean[base], drawn[:, place] - drawn[:, base])
                                for place, name in enumerate(self.names) if name in own and name != first}}


def _estimates(mean: np.ndarray, drawn: np.ndarray) -> dict[str, Estimate]:
    """By metric: a mean, and where 95 % of those that were drawn lie."""
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {metric: {"mean": float(mean[place]), "low": float(low[place]), "high": float(high[place])}
            for place, metric in enumerate(METRICS)}
