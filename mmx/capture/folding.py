"""What a method takes of an attention map: its heads in one, read as rows, sums or products, made when it is read."""

from collections.abc import Callable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from mmx.arrays import Float, Int
from mmx.capture.attention import made_larger
from mmx.capture.maps import AttentionMap, Block

Fold = Callable[[Block], Tensor]
"""From a block to (items, rows, cols), its heads in one; rows must not depend on each other."""


class Folded:
    """A fold of one map: a matrix for each item that is made block by block at every use.

    Args:
        keep: make it once and keep it, where that is small or it is used often.
    """

    def __init__(self, map_: AttentionMap, fold: Fold, keep: bool) -> None:
        self._map, self._fold, self._keep = map_, fold, keep
        items, _, rows, cols = map_.shape
        self.shape = (items, rows, cols)

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        return self._map.dtype

    @cached_property
    def _kept(self) -> Float[Tensor, "#items rows cols"]:
        kept = None
        for at, part in self._made():
            if part.shape[1:] == self.shape[1:]:
                return part
            if kept is None:
                with made_larger(1):
                    kept = part.new_zeros(len(part), *self.shape[1:])
            kept[:, at, :part.shape[2]] = part
        assert kept is not None
        return kept

    def _made(self) -> Iterator[tuple[slice, Float[Tensor, "#items _rows _cols"]]]:
        for block in self._map.blocks():
            assert isinstance(block.rows, slice)
            yield block.rows, self._fold(block)

    def _parts(self) -> Iterator[tuple[slice, Float[Tensor, "#items _rows _cols"]]]:
        """Rows, and what they hold up to a column behind which they are zero."""
        return iter([(slice(0, self.shape[1]), self._kept)]) if self._keep else self._made()

    def dense(self) -> Float[Tensor, "#items rows cols"]:
        """The matrix."""
        return self._kept

    def rows_at(self, index: Int[Tensor, " items"]) -> Float[Tensor, "items cols"]:
        """One row of each item, of which no more than that is made."""
        if "_kept" in vars(self):
            return self._kept.expand(len(index), -1, -1)[torch.arange(len(index), device=index.device), index]
        return self._fold(self._map.row_of_each(index)).squeeze(1)

    def rows_times(self, rows: Float[Tensor, "items k rows"]) -> Float[Tensor, "items k cols"]:
        """rows · matrix."""
        total = rows.new_zeros(*rows.shape[:2], self.shape[2])
        for at, part in self._parts():
            total[..., :part.shape[2]] += rows[..., at] @ part
        return total

    def times(self, columns: Float[Tensor, "items cols k"]) -> Float[Tensor, "items rows k"]:
        """matrix · columns."""
        return torch.cat([part @ columns[:, :part.shape[2]] for _, part in self._parts()], dim=1)

    def sums(self) -> Float[Tensor, "#items rows"]:
        """Sums of rows."""
        return torch.cat([part.sum(dim=-1) for _, part in self._parts()], dim=1)
