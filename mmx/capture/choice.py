"""What is explained, and which rows explain it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from mmx.arrays import Float, Int, Matrix, Shaped
from mmx.capture.windows import Windows


class Places:
    """Which entry of a batch each item belongs to, read from the device once."""

    def __init__(self, index: Int[Tensor, " items"], numbers: tuple[int, ...] | None = None,
                 apart: tuple[int, ...] | None = None) -> None:
        self.index, self.numbers = index, tuple(index.tolist()) if numbers is None else numbers
        self.apart = apart

    def within(self, windows: Windows | None) -> "Places":
        """The same where each entry is as many as it has windows."""
        if windows is None:
            return self
        count = windows.count
        index = self.index[:, None] * count + torch.arange(count, device=self.index.device)
        return Places(index.flatten(), tuple(number * count + one for number in self.numbers for one in range(count)),
                      self.apart and tuple(turn for turn in self.apart for _ in range(count)))

    @cached_property
    def turns(self) -> tuple[int, ...]:
        """How many earlier items belong to the same entry: items of one turn share one backward.

        Or `apart`, where entries alone do not tell.
        """
        if self.apart is not None:
            return self.apart
        before: Counter[int] = Counter()
        found = []
        for number in self.numbers:
            found.append(before[number])
            before[number] += 1
        return tuple(found)

    @cached_property
    def turn_index(self) -> Int[Tensor, " items"]:
        """The turns, on the device."""
        return torch.tensor(self.turns, device=self.index.device)

    def are_all(self, count: int) -> bool:
        """Whether the items are the entries of a batch of `count`, in order."""
        return self.numbers == tuple(range(count))

    def take(self, values: Shaped[Tensor, " batch *rest"]) -> Shaped[Tensor, " items *rest"]:
        """The entry of every item; a single one where that is the same for all."""
        if self.are_all(len(values)):
            return values
        return values[self.index[:1]] if len(set(self.numbers)) == 1 else values[self.index]


Outputs = Mapping[str, Shaped[Tensor, "_batch ..."]]
"""What a forward gives: "logits", and what else a family reads."""


@dataclass(frozen=True)
class Chosen:
    """What is explained. An item is one (sample, target).

    Attributes:
        scores: the explained scores, in the graph.
        samples: the sample that each belongs to.
        positions: where in the readout's stream each is read; None where that follows from the inputs.
        weights: of several rows that are read in the place of the one at its position, (items, rows).
        score_of: the scores of the same items in the outputs of another forward of the batch.
        entries: of a stream whose batch is not the samples' (CLIP's texts), which entry each item is.
        targets: which class, answer or text is explained.
        turns: in the streams of `entries`, where a score depends on several of them: items of one turn share a
            backward, those of which no other depends on the entry that one is read at.
        scale: how many times the similarity that it is of a score is; 1 of others.
    """

    scores: Float[Tensor, " items"]
    samples: Int[Tensor, " items"]
    positions: Int[Tensor, " items"] | None = None
    entries: Mapping[str, Int[Tensor, " items"]] = field(default_factory=dict)
    targets: Int[Tensor, " items"] | None = None
    weights: Float[Tensor, "items _rows"] | None = None
    score_of: Callable[[Outputs], Float[Tensor, " items"]] | None = None
    turns: tuple[int, ...] | None = None
    scale: Float[Tensor, ""] | float = 1.0

    @classmethod
    def by(cls, score_of: Callable[[Outputs], Float[Tensor, " items"]], outputs: Outputs,
           samples: Int[Tensor, " items"], **more: Any) -> "Chosen":
        """Scored in these outputs."""
        return cls(score_of(outputs), samples, score_of=score_of, **more)

    def __getitem__(self, items: Int[Tensor, " fewer"]) -> "Chosen":
        return Chosen(self.scores[items], self.samples[items],
                      None if self.positions is None else self.positions[items],
                      {stream: entries[items] for stream, entries in self.entries.items()},
                      None if self.targets is None else self.targets[items],
                      None if self.weights is None else self.weights[items],
                      None if self.score_of is None else partial(_some, self.score_of, items),
                      None if self.turns is None else tuple(range(len(items))), self.scale)

    @cached_property
    def places(self) -> Places:
        """Of the samples."""
        return Places(self.samples)

    @cached_property
    def _places(self) -> dict[str, Places]:
        return {stream: Places(entries, apart=self.turns) for stream, entries in self.entries.items()}

    def places_of(self, stream: str) -> Places:
        """Where in the batch of a stream each item is."""
        return self._places.get(stream, self.places)

    def entries_of(self, stream: str) -> Int[Tensor, " items"]:
        """Where in the batch of a stream's maps each item is."""
        return self.entries.get(stream, self.samples)


def _some(score_of: Callable[[Outputs], Float[Tensor, " items"]], items: Int[Tensor, " fewer"],
          outputs: Outputs) -> Float[Tensor, " fewer"]:
    return score_of(outputs)[items]


@dataclass(frozen=True)
class Readout:
    """Which row of a stream's relevance is read: the one at `index`, or a sum by `weights`, of each or of all.

    With `omits_identity` it is the row of R - I.
    """

    stream: str
    index: Int[Tensor, " items"]
    weights: Float[Tensor, "*#items rows"] | None = None
    omits_identity: bool = False

    def unit(self, size: int, dtype: torch.dtype) -> Float[Tensor, "items 1 {size}"]:
        """The row vector that reads it."""
        if self.weights is not None:
            return self.weights.to(dtype).expand(len(self.index), size).unsqueeze(1)
        places = torch.arange(size, device=self.index.device)
        return (self.index.unsqueeze(1) == places).to(dtype).unsqueeze(1)

    def take(self, matrix: Float[Tensor, "#items rows cols"]) -> Float[Tensor, "items cols"]:
        """That row of a matrix for each item."""
        if self.weights is not None:
            return (self.unit(matrix.shape[1], matrix.dtype) @ matrix).squeeze(1)
        matrix = matrix.expand(len(self.index), -1, -1)
        return matrix[torch.arange(len(self.index), device=matrix.device), self.index]

    def of(self, matrix: Matrix) -> Float[Tensor, "items cols"]:
        """The same of a matrix that makes its rows as they are read."""
        if self.weights is not None:
            return matrix.rows_times(self.unit(matrix.shape[1], matrix.dtype)).squeeze(1)
        return matrix.rows_at(self.index)
