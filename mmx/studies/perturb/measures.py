"""What the test follows, and how it is called in records, in summaries and by people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """A number of each sample at each step.

    Attributes:
        name: in a summary; `plural`: in a record; `panels`: of its panels in a summary.
        title: for people; `unit`: of what they are told, which is `factor` times the number, with `digits`.
        least, most: between which it lies, None for no end.
    """

    name: str
    plural: str
    panels: str
    title: str
    unit: str
    factor: float
    digits: int
    least: float | None
    most: float

    def holds(self, value: Any) -> bool:
        """Whether it is a number that this can be."""
        return type(value) in (int, float) and value <= self.most and (self.least is None or value >= self.least)


ACCURACY = Measure("accuracy", "accuracies", "panels", "accuracy", "%", 100, 1, 0, 1)
LOG_PROBABILITY = Measure("log_probability", "log_probabilities", "log_probability_panels",
                          "log-probability of the answer", "nats", 1, 2, None, 0)
MEASURES: Mapping[str, Measure] = {one.name: one for one in (ACCURACY, LOG_PROBABILITY)}


def followed_in(parameters: Mapping[str, Any]) -> Sequence[Measure]:
    """Those of a run with these parameters; before they said so, accuracy alone was followed."""
    return [MEASURES[name] for name in parameters.get("follows", [ACCURACY.name])]


NOT_FOLLOWED: Mapping[str, Any] = {ACCURACY.name: None, ACCURACY.panels: {}}
"""What a summary has in the place of accuracy where that is not followed."""


def panels_in(summary: Mapping[str, Any]) -> list[tuple[Measure, str, str, Mapping[str, Any]]]:
    """Measure, modality and sign of every panel of a summary, and the panel."""
    return [(measure, modality, sign, panel) for measure in followed_in(summary["parameters"])
            for modality, signs in summary[measure.panels].items() for sign, panel in signs.items()]


def in_unit(measure: Measure, value: float, signed: bool = False) -> str:
    """A value or a difference of values in the measure's unit, without its name; nothing is "-0"."""
    return format(measure.factor * value, f"{'+' if signed else ''}z.{measure.digits}f")
