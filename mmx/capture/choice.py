"""What is explained, and which rows explain it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from mmx.arrays import Float, Int


@dataclass(frozen=True)
class Chosen:
    """What is explained. An item is one (sample, target).

    Attributes:
        scores: the explained scores, in the graph.
        samples: the sample that each belongs to.
        positions: where in the readout's stream each is read; None where that follows from the inputs.
        entries: of a stream whose batch is not the samples' (CLIP's texts), which entry each item is.
        targets: which class, answer or text is explained.
    """

    scores: Float[Tensor, " items"]
    samples: Int[Tensor, " items"]
    positions: Int[Tensor, " items"] | None = None
    entries: Mapping[str, Int[Tensor, " items"]] = field(default_factory=dict)
    targets: Int[Tensor, " items"] | None = None

    def __getitem__(self, items: Int[Tensor, " fewer"]) -> "Chosen":
        return Chosen(self.scores[items], self.samples[items],
                      None if self.positions is None else self.positions[items],
                      {stream: entries[items] for stream, entries in self.entries.items()},
                      None if self.targets is None else self.targets[items])

    def entries_of(self, stream: str) -> Int[Tensor, " items"]:
        """Where in the batch of a stream's maps each item is."""
        return self.entries.get(stream, self.samples)


class Rows(Protocol):
    """A matrix for each item, (items, rows, cols), of which rows are read."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Items, rows, cols."""
        ...

    def rows_at(self, index: Int[Tensor, " items"]) -> Float[Tensor, "items cols"]:
        """One row of each item."""
        ...

    def rows_times(self, rows: Float[Tensor, "items k rows"]) -> Float[Tensor, "items k cols"]:
        """rows · matrix."""
        ...


@dataclass(frozen=True)
class Readout:
    """Which row of a stream's relevance is read: the one at `index`, or a mean of rows by `weights`."""

    stream: str
    index: Int[Tensor, " items"]
    weights: Float[Tensor, " rows"] | None = None

    def unit(self, size: int, dtype: torch.dtype) -> Float[Tensor, "items 1 {size}"]:
        """The row vector that reads it."""
        if self.weights is not None:
            return self.weights.to(dtype).expand(len(self.index), 1, size)
        return torch.nn.functional.one_hot(self.index, size).to(dtype).unsqueeze(1)

    def take(self, matrix: Float[Tensor, "#items rows cols"]) -> Float[Tensor, "items cols"]:
        """That row of a matrix for each item."""
        if self.weights is not None:
            return (self.unit(matrix.shape[1], matrix.dtype) @ matrix).squeeze(1)
        matrix = matrix.expand(len(self.index), -1, -1)
        return matrix[torch.arange(len(self.index), device=matrix.device), self.index]

    def of(self, matrix: Rows) -> Float[Tensor, "items cols"]:
        """The same of a matrix that makes its rows as they are read."""
        if self.weights is not None:
            return matrix.rows_times(self.unit(matrix.shape[1], self.weights.dtype)).squeeze(1)
        return matrix.rows_at(self.index)
