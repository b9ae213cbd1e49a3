"""Curves of finished runs, and what they come to: means, areas, intervals and paired differences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmx.datasets.vqa import VqaSample
from mmx.errors import one_of
from mmx.metrics import area_under, bootstrap_means
from mmx.studies.perturb.measures import ACCURACY, Measure, followed_in
from mmx.studies.runs import Fault, Record, Run

_UNIT = 1_000_000  # values are summed in whole millionths: exact, so the same bytes come out anywhere
_LEVELS = (0.025, 0.975)
_DIGITS = 9
Key = tuple[str, str, str]
"""method, modality, sign"""
BETTER = {"positive": "lower", "negative": "higher"}
"""Which area is better: the most relevant first should cost most at once, the least relevant first hardly anything."""


def keys_of(parameters: Mapping[str, Any]) -> list[Key]:
    """Method, modality and sign of every curve of a run with these parameters."""
    return [(method, modality, sign) for modality in parameters["modalities"] for sign in parameters["signs"]
            for method in parameters["methods"]]


def fault_of(parameters: Mapping[str, Any], samples: Sequence[VqaSample] | None = None) -> Fault:
    """What is wrong with a record of a run with these parameters, and of these samples where they are at hand."""
    steps = {modality: len(shares) for modality, shares in parameters["steps"].items()}
    keys, follows = keys_of(parameters), followed_in(parameters)
    lists = [*(measure.plural for measure in follows), *(["answers"] if ACCURACY in follows else [])]

    def fault(record: Record) -> str | None:
        number, texts = record["id"], [record[key] for key in ("sample", "image", "image_hash", "question", "target")]
        if not all(isinstance(text, str) for text in texts):
            return "a name or an answer in it is no text"
        if number < 0 or (samples is not None and number >= len(samples)):
            return f"there is no sample {number}"
        if samples is not None and (samples[number].id, samples[number].question) != (texts[0], texts[3]):
            return f"sample {number} is '{samples[number].id}' and asks '{samples[number].question}'"
        curves = {key: record["curves"][key[0]][key[1]][key[2]] for key in keys}
        if not all(len(curve[name]) == steps[key[1]] for key, curve in curves.items() for name in lists):
            return f"a curve has not one of its {' and '.join(lists)} for each step"
        for measure in follows:
            found = [record[measure.name], *(value for curve in curves.values() for value in curve[measure.plural])]
            if not all(map(measure.holds, found)):
                ends = "of 0 at most" if measure.least is None else "from 0 to 1"
                return f"{one_of(measure.name.replace('_', '-'))} is no number {ends}"
        return None

    return fault


@dataclass(frozen=True)
class Curves:
    """What every sample scored.

    Attributes:
        measure: what is followed.
        keys: method, modality and sign of each curve.
        shares: what the steps remove, by modality.
        values: of the measure, in whole millionths, (samples, keys, steps).
        unperturbed: the same of the whole samples, (samples,).
        pictures: a number, sample id and picture hash of each sample.
    """

    measure: Measure
    keys: tuple[Key, ...]
    shares: Mapping[str, tuple[float, ...]]
    values: np.ndarray
    unperturbed: np.ndarray
    pictures: tuple[tuple[int, str, str], ...]

    @classmethod
    def read(cls, run: Run, parameters: Mapping[str, Any], measure: Measure) -> "Curves":
        """Line by line, so that what is held is these numbers alone."""
        keys, shares = keys_of(parameters), parameters["steps"]
        count, steps = len(run.done), len(next(iter(shares.values())))
        values, unperturbed = np.empty((count, len(keys), steps)), np.empty(count)
        pictures = []
        for place, record in enumerate(run.records()):
            pictures.append((record["id"], record["sample"], record["image_hash"]))
            unperturbed[place] = record[measure.name]
            values[place] = [record["curves"][method][modality][sign][measure.plural]
                             for method, modality, sign in keys]
        return cls(measure, tuple(keys), {modality: tuple(found) for modality, found in shares.items()},
                   np.rint(values * _UNIT), np.rint(unperturbed * _UNIT), tuple(pictures))

    def summary(self, divisor: int) -> dict[str, Any]:
        """Estimates; `divisor` takes the place of the number of samples in every mean.

        Returns:
            The measure of the whole samples, by its name; its panels by modality and sign, each with the shares
            removed, which area is better, by method the mean of every step and the area, and for each two methods the
            difference of their areas, first minus second.
        """
        count, columns = len(self.values), self.values.shape[1] * self.values.shape[2]
        flat = np.concatenate([self.values.reshape(count, columns), self.unperturbed[:, None]], axis=1)
        scale = count / divisor / _UNIT
        rounds = bootstrap_means(flat) * scale
        mean = flat.sum(axis=0) / count * scale
        shape = self.values.shape[1:]
        curves = _Resampled(self, mean[:-1].reshape(shape), rounds[:, :-1].reshape(-1, *shape))
        return {self.measure.name: _estimate(mean[-1], rounds[:, -1]),
                self.measure.panels: {modality: {sign: curves.panel(modality, sign) for sign in signs}
                                      for modality, signs in self._panels()}}

    def _panels(self) -> Iterator[tuple[str, list[str]]]:
        for modality in dict.fromkeys(modality for _, modality, _ in self.keys):
            yield modality, list(dict.fromkeys(sign for _, other, sign in self.keys if other == modality))


@dataclass(frozen=True)
class _Resampled:
    """Means (keys, steps) and resampled means (rounds, keys, steps)."""

    curves: Curves
    mean: np.ndarray
    rounds: np.ndarray

    def panel(self, modality: str, sign: str) -> dict[str, Any]:
        shares = np.array(self.curves.shares[modality])
        places = {key[0]: place for place, key in enumerate(self.curves.keys) if key[1:] == (modality, sign)}
        areas = {method: (area_under(shares, self.mean[place]), area_under(shares, self.rounds[:, place]))
                 for method, place in places.items()}
        steps = {method: [_estimate(self.mean[place, step], self.rounds[:, place, step]) for step in range(len(shares))]
                 for method, place in places.items()}
        return {
            "removed": shares.tolist(), "better": BETTER[sign],
            "methods": {method: {"auc": _estimate(*areas[method]), self.curves.measure.name: steps[method]}
                        for method in places},
            "differences": {first: {second: _estimate(areas[first][0] - areas[second][0],
                                                      areas[first][1] - areas[second][1])
                                    for second in places if second != first} for first in places},
        }


def _estimate(mean: ArrayLike, rounds: ArrayLike) -> dict[str, float]:
    """A mean with its 95 % bootstrap interval. What rounding leaves of zero is zero."""
    low, high = np.quantile(np.asarray(rounds), _LEVELS)
    return {name: round(float(value), _DIGITS) + 0.0 for name, value in
            (("mean", np.asarray(mean)), ("low", low), ("high", high))}
