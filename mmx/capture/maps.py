"""Attention maps of the explained items, made block of rows by block of rows when they are read, and never kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from mmx.arrays import Bool, Float, Int, Shaped
from mmx.capture.attention import Mixed, attention_rows, of_all_heads, passing_blocks, row_blocks
from mmx.capture.choice import Places
from mmx.capture.lrp_rules import safe_divide
from mmx.capture.windows import Windows


class AttentionMap:
    """One attention map of every item, and what the explained score makes of it.

    Args:
        mixed: of the whole batch, outside the graph.
        places: the entry that each item is of.
        gradient: d score / d output of the attention, or / d map where the output is not known; None without a path.
        relevance: LRP relevance of the same.
        valid_rows, valid_cols: tokens that count, where some do not: the others are taken out of the map.
    """

    def __init__(self, mixed: Mixed, places: Places, gradient: Float[Tensor, "items heads rows _any"] | None = None,
                 relevance: Float[Tensor, "items heads rows _any"] | None = None,
                 valid_rows: Bool[Tensor, "items rows"] | None = None,
                 valid_cols: Bool[Tensor, "items cols"] | None = None) -> None:
        self._mixed, self._places = mixed, places
        self._gradient, self._relevance = gradient, relevance
        self._valid_rows, self._valid_cols = valid_rows, valid_cols
        self.shape = (len(places.index), *mixed.shape[1:])

    @classmethod
    def of(cls, attention: Float[Tensor, "items heads rows cols"],
           gradient: Float[Tensor, "items heads rows cols"] | None = None,
           relevance: Float[Tensor, "items heads rows cols"] | None = None) -> "AttentionMap":
        """Of maps that are there already."""
        index = torch.arange(len(attention), device=attention.device)
        return cls(Mixed(map=attention), Places(index), gradient, relevance)

    def with_gradient(self, gradient: Float[Tensor, "items heads rows _any"],
                      mixed: Mixed | None = None) -> "AttentionMap":
        """The same for another score, or of another forward too."""
        return AttentionMap(self._mixed if mixed is None else mixed, self._places, gradient, None, self._valid_rows,
                            self._valid_cols)

    @property
    def windows(self) -> Windows | None:
        """Where tokens attend to their own window alone; then each is an item of this map."""
        return self._mixed.windows

    @property
    def has_mask(self) -> bool:
        """Whether there may be columns that some rows do not look at."""
        return self._mixed.causal or self._mixed.mask is not None or self._mixed.map is not None

    @property
    def has_gradient(self) -> bool:
        return self._gradient is not None

    @property
    def has_relevance(self) -> bool:
        return self._relevance is not None

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers: float32 at least."""
        return torch.promote_types(self._mixed.reached.dtype, torch.float32)

    @property
    def device(self) -> torch.device:
        return self._mixed.reached.device

    @property
    def attention(self) -> Float[Tensor, "#items heads rows cols"]:
        """The whole map."""
        return self._whole.attention

    @property
    def gradient(self) -> Float[Tensor, "items heads rows cols"]:
        """d score / d map, the whole of it."""
        return self._whole.gradient

    @property
    def relevance(self) -> Float[Tensor, "items heads rows cols"]:
        """LRP relevance of the map, the whole of it."""
        return self._whole.relevance

    @property
    def _whole(self) -> "Block":
        return Block(self, slice(0, self.shape[2]), _Shared(self), self.shape[3])

    def blocks(self) -> Iterator["Block"]:
        """All rows, some at a time: how many does not depend on how many items there are."""
        _, heads, rows, cols = self.shape
        shared = _Shared(self)
        for at in passing_blocks(rows, heads * cols, self.device):
            yield Block(self, at, shared, min(cols, at.stop) if self._mixed.causal else cols)

    def gradient_sums(self) -> Float[Tensor, "items heads"]:
        """Sums of d score / d map, over the whole map of each head, columns that no row may look at among them."""
        assert self._gradient is not None
        values, shared = self._full_rows(self._gradient, slice(None)), self.values()
        if shared is not None:
            return (values.sum(dim=2) * shared.sum(dim=2)).sum(dim=-1)
        return (values if self._valid_cols is None else values * self._valid_cols[:, None, None]).sum(dim=(2, 3))

    def crossed_sums(self) -> Float[Tensor, "items heads"]:
        """Sums of |Aᵀ · d score / d A| of each head, over the columns that count."""
        assert self._gradient is not None
        items, heads, _, cols = self.shape
        crossed = self._gradient.new_zeros(items, heads, cols, self._gradient.shape[3], dtype=self.dtype)
        for block in self.blocks():
            part = block.attention.mT @ self._full_rows(self._gradient, block.rows)
            crossed[:, :, :part.shape[2]] += part
        values = self.values()
        if values is None:
            return crossed.abs().sum(dim=(2, 3))
        total = crossed.new_zeros(items, heads)
        for at in row_blocks(cols, heads * cols, self.device):
            total += (crossed[:, :, at] @ values.mT).abs().sum(dim=(2, 3))
        return total

    def row_of_each(self, index: Int[Tensor, " items"]) -> "Block":
        """A block of a single row, another one for each item."""
        return Block(self, index, _Shared(self), self.shape[3])

    def mixed_at(self, index: Int[Tensor, " items"]) -> "MixedRow | None":
        """What one row of each item is mixed of; None where a model with a softmax of its own does not show it."""
        mixed, keys, values = self._mixed, self.keys(), self.values()
        if mixed.query is None or keys is None or values is None or self.windows is not None:
            return None
        cols = torch.arange(self.shape[3], device=self.device)
        seen = torch.ones(1, len(cols), dtype=torch.bool, device=self.device)
        if (mask := self._mask_at(index, len(cols))) is not None:
            allowed = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
            seen = seen & allowed.any(dim=1).squeeze(1)
        if mixed.causal:
            seen = seen & (cols <= index[:, None])
        if self._valid_cols is not None:
            seen = seen & self._valid_cols
        gradient = None if self._gradient is None else _together(self._full_rows(self._gradient, index)).squeeze(1)
        return MixedRow(_together(self._taken(mixed.query, index)).squeeze(1), _together(keys), _together(values),
                        gradient, seen)

    def keys(self) -> Float[Tensor, "#items heads cols _width"] | None:
        """Of a map that is made of them."""
        key = self._mixed.key
        return None if key is None else full(of_all_heads(self._places.take(key), self.shape[1]))

    def values(self) -> Float[Tensor, "#items heads cols _width"] | None:
        """Of tokens that count; None where they are not known."""
        if self._mixed.value is None:
            return None
        values = full(of_all_heads(self._places.take(self._mixed.value), self.shape[1]))
        return values if self._valid_cols is None else values * self._valid_cols[:, None, :, None]

    def attention_at(self, rows: "Rows", shared: "_Shared", cols: int) -> Float[Tensor, "#items heads _rows {cols}"]:
        """Rows of the map, up to a column."""
        mixed = self._mixed
        if mixed.map is not None:
            found = self._taken(mixed.map, rows)
        else:
            assert mixed.query is not None and shared.keys is not None
            found = attention_rows(self._taken(mixed.query, rows), shared.keys[:, :, :cols], mixed.scale,
                                   self._mask_at(rows, cols), self._last(rows))
        if self._valid_rows is not None:
            found = found * _rows_of(self._valid_rows[:, None, :, None], rows)
        return found if self._valid_cols is None else found * self._valid_cols[:, None, None, :cols]

    def _mask_at(self, rows: "Rows", cols: int) -> Shaped[Tensor, "#items #heads #rows {cols}"] | None:
        mask = self._mixed.mask
        if mask is None:
            return None
        mask = mask[..., :cols] if len(mask) == 1 else self._places.take(mask[..., :cols])
        return _rows_of(mask, rows) if mask.shape[2] > 1 else mask

    def gradient_at(self, rows: "Rows", shared: "_Shared", cols: int) -> Float[Tensor, "items heads _rows {cols}"]:
        """d score / d map of some rows: d score / d output · valueᵀ."""
        assert self._gradient is not None
        return self._times_values(self._full_rows(self._gradient, rows), shared, cols)

    def relevance_at(self, rows: "Rows", shared: "_Shared", cols: int) -> Float[Tensor, "items heads _rows {cols}"]:
        """LRP relevance of some rows of the map: half of what its product with the values has."""
        assert self._relevance is not None
        found = self._full_rows(self._relevance, rows)
        if self._mixed.output is None:
            return self._times_values(found, shared, cols)
        share = safe_divide(found, self._taken(self._mixed.output, rows)) / 2
        return self._times_values(share, shared, cols) * self.attention_at(rows, shared, cols)

    def _full_rows(self, reached: Float[Tensor, "items heads rows _any"],
                   rows: "Rows") -> Float[Tensor, "items heads _rows _any"]:
        """Some rows of what reached the output, zero where they do not count."""
        found = full(_rows_of(reached, rows))
        return found if self._valid_rows is None else found * _rows_of(self._valid_rows[:, None, :, None], rows)

    def _times_values(self, reached: Float[Tensor, "items heads _rows _any"], shared: "_Shared",
                      cols: int) -> Float[Tensor, "items heads _rows {cols}"]:
        if shared.values is not None:
            return reached @ shared.values[:, :, :cols].mT
        return reached if self._valid_cols is None else reached * self._valid_cols[:, None, None]

    def _taken(self, values: Tensor, rows: "Rows") -> Tensor:
        """Rows of what belongs to entries, for each item."""
        if isinstance(rows, slice):
            return full(self._places.take(values[:, :, rows]))
        return full(values[self._places.index, :, rows].unsqueeze(2))

    def _last(self, rows: "Rows") -> Tensor | int | None:
        """The last column that each of some rows may look at, or that of the first of them."""
        if not self._mixed.causal:
            return None
        return rows.start if isinstance(rows, slice) else rows[:, None, None]


@dataclass(frozen=True)
class MixedRow:
    """What one row of an attention map is mixed of, another row for each item, the heads side by side.

    Attributes:
        gradient: d score / d output of the attention at that row; None where no path leads from there to the score.
        seen: the columns that count and that it may look at.
    """

    query: Float[Tensor, "items width"]
    keys: Float[Tensor, "#items cols width"]
    values: Float[Tensor, "#items cols _width"]
    gradient: Float[Tensor, "items _width"] | None
    seen: Bool[Tensor, "#items cols"]


def _together(values: Float[Tensor, "#items heads tokens _width"]) -> Float[Tensor, "#items tokens _all"]:
    return values.transpose(1, 2).flatten(2)


Rows = slice | Tensor
"""Some rows, the same of every item; or (items,), a single one of each."""


class _Shared:
    """What the blocks of one map share."""

    def __init__(self, of: AttentionMap) -> None:
        self._of = of

    @cached_property
    def keys(self) -> Float[Tensor, "#items heads _cols _width"] | None:
        return self._of.keys()

    @cached_property
    def values(self) -> Float[Tensor, "#items heads _cols _width"] | None:
        return self._of.values()


class Block:
    """Some rows of an attention map of every item, up to a column behind which these rows do not look."""

    def __init__(self, of: AttentionMap, rows: Rows, shared: _Shared, cols: int) -> None:
        self._of, self.rows, self._shared, self._cols = of, rows, shared, cols

    @cached_property
    def attention(self) -> Float[Tensor, "#items heads rows cols"]:
        """Of one item where all are of the same sample."""
        return self._of.attention_at(self.rows, self._shared, self._cols)

    @cached_property
    def gradient(self) -> Float[Tensor, "items heads rows cols"]:
        """d score / d map."""
        return self._of.gradient_at(self.rows, self._shared, self._cols)

    @cached_property
    def looked_at(self) -> Bool[Tensor, "#items heads rows cols"] | Literal[True]:
        """Where a row looks; True where all look everywhere. The gradient knows nothing of a mask."""
        return self.attention > 0 if self._of.has_mask else True

    @cached_property
    def relevance(self) -> Float[Tensor, "items heads rows cols"]:
        """LRP relevance of the map."""
        return self._of.relevance_at(self.rows, self._shared, self._cols)

    def plus_identity(self, folded: Float[Tensor, "#items rows cols"]) -> Float[Tensor, "#items rows cols"]:
        """What was folded, of a stream that attends to itself, and 1 where a token attends to itself."""
        places = torch.arange(folded.shape[-1], device=folded.device)
        if isinstance(self.rows, slice):
            own = torch.arange(self.rows.start, self.rows.stop, device=folded.device)[:, None]
        else:
            own = self.rows[:, None, None]
        return folded + (places == own).to(folded.dtype)


def _rows_of(values: Shaped[Tensor, "#items heads rows any"], rows: Rows) -> Shaped[Tensor, "#items heads _rows any"]:
    if isinstance(rows, slice):
        return values[:, :, rows]
    items = torch.arange(len(rows), device=rows.device)
    return values.expand(len(rows), *values.shape[1:])[items, :, rows].unsqueeze(2)


def full(values: Tensor) -> Tensor:
    """In float32 at least."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
