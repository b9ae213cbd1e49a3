"""Matrices that are never made in full: of windows, of maps with some of their stream's rows, and of links."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmx.arrays import Float, Int
from mmx.capture.folding import Folded
from mmx.capture.windows import Windows


class Windowed:
    """The matrix of a stream whose tokens attend within windows, (items, tokens, tokens): zero between windows.

    Args:
        blocks: of each window of each item.
    """

    def __init__(self, blocks: Folded, windows: Windows) -> None:
        self._blocks, self._windows = blocks, windows
        self.shape = (blocks.shape[0] // windows.count, windows.size, windows.size)

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        return self._blocks.dtype

    def dense(self) -> Float[Tensor, "items tokens tokens"]:
        """The matrix, which is far larger than its blocks."""
        one = torch.eye(self.shape[1], dtype=self.dtype, device=self._windows.device)
        return self.rows_times(one.repeat(self.shape[0], 1, 1))

    def rows_at(self, index: Int[Tensor, " items"]) -> Float[Tensor, "items tokens"]:
        """One row of each item."""
        places, here = self._windows.row_of_each(index)
        return self._windows.joined(self._blocks.rows_at(places).unsqueeze(1) * here).squeeze(1)

    def rows_times(self, rows: Float[Tensor, "items k tokens"]) -> Float[Tensor, "items k tokens"]:
        """rows · matrix."""
        return self._windows.joined(self._blocks.rows_times(self._windows.split(rows)))

    def times(self, columns: Float[Tensor, "items tokens k"]) -> Float[Tensor, "items tokens k"]:
        """matrix · columns."""
        return self._windows.joined(self._blocks.times(self._windows.split(columns.mT).mT).mT).mT

    def sums(self) -> Float[Tensor, "#items tokens"]:
        """Sums of rows."""
        return self._windows.joined(self._blocks.sums().unsqueeze(1)).squeeze(1)


class FirstRows:
    """The matrix of a map that has the first tokens of its stream alone, (items, rows, cols): zero behind them.

    Args:
        first: of the rows that the map has.
        rows: how many there are.
    """

    def __init__(self, first: Folded, rows: int) -> None:
        self._first, self._more = first, rows - first.shape[1]
        self.shape = (first.shape[0], rows, first.shape[2])

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        return self._first.dtype

    def dense(self) -> Float[Tensor, "#items rows cols"]:
        """The matrix."""
        return pad(self._first.dense(), (0, 0, 0, self._more))

    def rows_at(self, index: Int[Tensor, " items"]) -> Float[Tensor, "items cols"]:
        """One row of each item."""
        count = self._first.shape[1]
        return self._first.rows_at(index.clamp(max=count - 1)) * (index < count).unsqueeze(1)

    def rows_times(self, rows: Float[Tensor, "items k rows"]) -> Float[Tensor, "items k cols"]:
        """rows · matrix."""
        return self._first.rows_times(rows[..., :self._first.shape[1]])

    def times(self, columns: Float[Tensor, "items cols k"]) -> Float[Tensor, "items rows k"]:
        """matrix · columns."""
        return pad(self._first.times(columns), (0, 0, 0, self._more))

    def sums(self) -> Float[Tensor, "#items rows"]:
        """Sums of rows."""
        return pad(self._first.sums(), (0, self._more))


class Shares:
    """The matrix of a link, (items, rows, cols): each row is shared out equally among the tokens it is made of.

    Args:
        into: the row that each token of the columns is a part of, -1 for none.
        rows: how many there are.
        dtype: of the numbers.
    """

    def __init__(self, into: Int[Tensor, "#items cols"], rows: int, dtype: torch.dtype) -> None:
        self._into = torch.where(into < 0, rows, into)
        ones = torch.ones(into.shape, dtype=dtype, device=into.device)
        parts = ones.new_zeros(len(into), rows + 1).scatter_add(1, self._into, ones)
        self._share = (1 / parts).gather(1, self._into)
        self.shape = (len(into), rows, into.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        return self._share.dtype

    def dense(self) -> Float[Tensor, "#items rows cols"]:
        """The matrix."""
        one = torch.eye(self.shape[1], dtype=self.dtype, device=self._share.device)
        return self.rows_times(one.repeat(self.shape[0], 1, 1))

    def rows_at(self, index: Int[Tensor, " items"]) -> Float[Tensor, "items cols"]:
        """One row of each item."""
        return self._share * (self._into == index[:, None])

    def rows_times(self, rows: Float[Tensor, "items k rows"]) -> Float[Tensor, "items k cols"]:
        """rows · matrix."""
        places = self._into.unsqueeze(1).expand(len(rows), rows.shape[1], -1)
        return pad(rows, (0, 1)).gather(2, places) * self._share.unsqueeze(1)

    def times(self, columns: Float[Tensor, "items cols k"]) -> Float[Tensor, "items rows k"]:
        """matrix · columns."""
        shared = columns * self._share.unsqueeze(-1)
        total = shared.new_zeros(len(shared), self.shape[1] + 1, shared.shape[2])
        return total.scatter_add(1, self._into.unsqueeze(-1).expand_as(shared), shared)[:, :-1]

    def sums(self) -> Float[Tensor, "#items rows"]:
        """Sums of rows: 1, or 0 of a row that is made of nothing."""
        return self.times(torch.ones_like(self._share).unsqueeze(-1)).squeeze(-1)
