"""The equations of Chefer, Gur & Wolf, ICCV 2021 (arXiv 2103.15679), as functions of tensors.

Equation numbers are the paper's. Relevance between two streams is a matrix (batch, rows, cols) that is only
ever read row by row, so what can stay a product of factors does: a row of (I + B_L) … (I + B_1) is a chain of
vector-matrix products, O(n²) a layer where the matrix is O(n³).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from mmx.arrays import Bool, Float, Int, Matrix
from mmx.schedule import Link, Schedule, Site


def fuse_heads(attention: Float[Tensor, "#batch heads rows cols"],
               gradient: Float[Tensor, "batch heads rows cols"]) -> Float[Tensor, "batch rows cols"]:
    """Eq. 5: mean over heads of max(∇A ⊙ A, 0)."""
    return (attention * gradient).clamp_(min=0).mean(dim=1)


def row_normalize(matrix: Float[Tensor, "*batch rows cols"]) -> Float[Tensor, "*batch rows cols"]:
    """Rows divided by their sums; a row that sums to zero stays zero."""
    sums = matrix.sum(dim=-1, keepdim=True)
    return matrix / torch.where(sums == 0, 1, sums)


class Readout(Protocol):
    """Which row of a stream's relevance is read: a single one, or a sum of rows by weights."""

    @property
    def stream(self) -> str:
        """The stream whose relevance is read."""
        ...

    @property
    def index(self) -> Int[Tensor, " items"]:
        """The row of each item."""
        ...

    @property
    def omits_identity(self) -> bool:
        """Whether R - I is read."""
        ...

    def unit(self, size: int, dtype: torch.dtype) -> Float[Tensor, "items 1 {size}"]:
        """The row vector that reads it."""
        ...

    def take(self, matrix: Float[Tensor, "#items rows cols"]) -> Float[Tensor, "items cols"]:
        """That row of a matrix for each item."""
        ...

    def of(self, matrix: Matrix) -> Float[Tensor, "items cols"]:
        """The same of a matrix that may be made only as it is used."""
        ...


@dataclass(frozen=True)
class SelfRelevance:
    """R[x,x] = (I + B_L) … (I + B_1)(I + E) of a stream of `size` tokens, kept as its factors.

    `factors` are the B, the first layer's first; `added` is E, what eq. 11 added so far.
    """

    size: int
    factors: tuple[Matrix, ...] = ()
    added: Float[Tensor, "batch size size"] | None = None

    def attend(self, fused: Matrix) -> "SelfRelevance":
        """Eq. 6: R ← R + Ā R."""
        return SelfRelevance(self.size, (*self.factors, fused), self.added)

    def add(self, addition: Float[Tensor, "batch {self.size} {self.size}"]) -> "SelfRelevance":
        """R ← R + addition, where it is not a product any more."""
        is_identity = self.added is None and not self.factors
        return SelfRelevance(self.size, (), addition if is_identity else self.deviation() + addition)

    def deviation_rows(self, rows: Float[Tensor, "batch k {self.size}"]) -> Float[Tensor, "batch k {self.size}"]:
        """rows · (R − I). R − I itself is accumulated, so small relevance is not lost."""
        total = torch.zeros_like(rows)
        for factor in reversed(self.factors):
            total = total + factor.rows_times(rows + total)
        return total if self.added is None else total + (rows + total) @ self.added

    def deviation_sums(self) -> Float[Tensor, "batch {self.size}"] | None:
        """Row sums of R − I; None while R = I."""
        sums = None if self.added is None else self.added.sum(dim=-1)
        for factor in self.factors:
            grown = factor.sums()
            sums = grown if sums is None else sums + grown + factor.times(sums.unsqueeze(-1)).squeeze(-1)
        return sums

    def deviation_row(self, readout: Readout, dtype: torch.dtype) -> Float[Tensor, "items 1 {self.size}"]:
        """What is read of R − I: of the last factor, no more than that row is made."""
        unit = readout.unit(self.size, dtype)
        if not self.factors:
            return self.deviation_rows(unit)
        last = readout.of(self.factors[-1]).unsqueeze(1)
        return last + SelfRelevance(self.size, self.factors[:-1], self.added).deviation_rows(unit + last)

    def deviation(self) -> Float[Tensor, "batch {self.size} {self.size}"]:
        """R − I in full."""
        like = self.added if self.added is not None else self.factors[0].dense()
        return self.deviation_rows(torch.eye(self.size, dtype=like.dtype, device=like.device).expand_as(like))

    def rows_times(self, rows: Float[Tensor, "batch k {self.size}"]) -> Float[Tensor, "batch k {self.size}"]:
        """rows · R."""
        return rows + self.deviation_rows(rows)

    def transposed_times(self, columns: Float[Tensor, "batch {self.size} k"]) -> Float[Tensor, "batch {self.size} k"]:
        """Rᵀ · columns."""
        return self.rows_times(columns.transpose(-1, -2)).transpose(-1, -2)


class Normalized:
    """Eq. 8 and 9: N(R) = (R − I) / rowsum(R − I) + I.

    A row of R − I that is all zero, or too small to have a finite inverse, stays a unit row.
    """

    def __init__(self, relevance: SelfRelevance) -> None:
        self._relevance, self._sums = relevance, relevance.deviation_sums()
        if self._sums is not None:
            self._scale = torch.where(self._sums < torch.finfo(self._sums.dtype).tiny, 0, 1 / self._sums)

    def undefined(self, valid: Bool[Tensor, "batch size"]) -> Bool[Tensor, " batch"]:
        """Which samples have a valid row where eq. 8 is 0/0."""
        return valid.any(dim=1) if self._sums is None else ((self._sums == 0) & valid).any(dim=1)

    def deviation_rows(self, rows: Float[Tensor, "batch k size"]) -> Float[Tensor, "batch k size"]:
        """rows · (N(R) − I)."""
        if self._sums is None:
            return torch.zeros_like(rows)
        return self._relevance.deviation_rows(rows * self._scale.unsqueeze(-2))

    def rows_times(self, rows: Float[Tensor, "batch k size"]) -> Float[Tensor, "batch k size"]:
        """rows · N(R)."""
        return rows + self.deviation_rows(rows)

    def transposed_times(self, columns: Float[Tensor, "batch size k"]) -> Float[Tensor, "batch size k"]:
        """N(R)ᵀ · columns."""
        return self.rows_times(columns.transpose(-1, -2)).transpose(-1, -2)


class Identity:
    """Stands for N(R) where the normalisation, or the self-relevance itself, is left out of eq. 10."""

    def rows_times(self, rows: Float[Tensor, "batch k size"]) -> Float[Tensor, "batch k size"]:
        """The same back."""
        return rows

    transposed_times = rows_times


_IDENTITY = Identity()
Factor = SelfRelevance | Normalized | Identity
"""A square factor of eq. 10 that is applied to rows and never multiplied out."""

@dataclass(frozen=True)
class CrossRelevance:
    """R[x,y] = left · right, where `right` is the normalised relevance of y that every addition so far shared."""

    left: Float[Tensor, "batch rows cols"]
    right: Factor

    def attend(self, fused: Matrix) -> "CrossRelevance":
        """Eq. 7: R ← R + Ā R."""
        return CrossRelevance(self.left + fused.times(self.left), self.right)

    def add(self, left: Float[Tensor, "batch rows cols"], right: Factor) -> "CrossRelevance":
        """Eq. 10: R ← R + left · right."""
        if right is self.right:
            return CrossRelevance(self.left + left, right)
        return CrossRelevance(self.dense() + right.rows_times(left), _IDENTITY)

    def rows_times(self, rows: Float[Tensor, "batch k rows"]) -> Float[Tensor, "batch k cols"]:
        """rows · R[x,y]."""
        return self.right.rows_times(rows @ self.left)

    def dense(self) -> Float[Tensor, "batch rows cols"]:
        """R[x,y] in full."""
        return self.right.rows_times(self.left)


@dataclass(frozen=True)
class Linked:
    """A link that a walk went over.

    Attributes:
        rows, cols: x, which begins there, and y.
        shares: L, which shares out each token of x among the tokens of y that it is made of.
        own, crosses: R[y,y], or N of it, and R[y,·] at the link.
    """

    rows: str
    cols: str
    shares: Matrix
    own: SelfRelevance | Normalized
    crosses: Mapping[str, CrossRelevance]


@dataclass
class Relevance:
    """R[x,x] of every stream, `selves`, and R[x,y] of pairs, `crosses`, as a walk over the schedule leaves them.

    Where x begins with a link to y, of `links`, R[x,y] = R[x,x] · L · R[y,y], which is never multiplied out.
    """

    selves: dict[str, SelfRelevance]
    crosses: dict[tuple[str, str], CrossRelevance] = field(default_factory=dict)
    links: list[Linked] = field(default_factory=list)

    def rows(self, readout: Readout, dtype: torch.dtype) -> dict[str, Float[Tensor, "items _cols"]]:
        """What is read of R[readout's stream, ·], by stream, over links as well.

        Where it omits the identity, without what is left if no token attends to any: I, or over links their product.
        """
        itself = {readout.stream: readout.unit(self.selves[readout.stream].size, dtype)}
        found = {cols: self._beyond(readout, cols, dtype) for cols in self.selves}
        for link in reversed(self.links):
            beyond = whole = link.shares.rows_times(found[link.rows])
            if link.rows in itself:
                left = link.shares.rows_times(itself[link.rows])
                itself[link.cols], whole = itself.get(link.cols, 0) + left, beyond + left
            found[link.cols] = found[link.cols] + beyond + link.own.deviation_rows(whole)
            for cols, cross in link.crosses.items():
                found[cols] = found[cols] + cross.rows_times(whole)
        if not readout.omits_identity:
            found |= {stream: found[stream] + row for stream, row in itself.items()}
        return {stream: row.squeeze(1) for stream, row in found.items()}

    def _beyond(self, readout: Readout, cols: str, dtype: torch.dtype) -> Float[Tensor, "items 1 _cols"]:
        """What is read of R[readout's stream, cols] without links; of a stream itself, of R − I."""
        rows = readout.stream
        if rows == cols:
            return self.selves[rows].deviation_row(readout, dtype)
        cross = self.crosses.get((rows, cols))
        if cross is None:
            return torch.zeros(len(readout.index), 1, self.selves[cols].size, dtype=dtype, device=readout.index.device)
        return cross.right.rows_times(readout.take(cross.left).unsqueeze(1))

    def go_over(self, link: Link, shares: Matrix) -> None:
        """A stream begins with tokens that are made of another's."""
        crosses = {cols: cross for (rows, cols), cross in self.crosses.items() if rows == link.cols}
        own = self.selves[link.cols]
        self.links.append(Linked(link.rows, link.cols, shares, Normalized(own) if link.normalized else own, crosses))


def propagate(
    schedule: Schedule,
    fused: Mapping[Site, Matrix],
    sizes: Mapping[str, int],
    *,
    normalize: bool = True,
    self_in_cross: bool = True,
    drop_undefined: Mapping[str, Bool[Tensor, "batch _tokens"]] | None = None,
    links: Mapping[Link, Matrix] | None = None,
) -> Relevance:
    """Eq. 6 to 11 along the schedule, from R[x,x] = I and R[x,y] = 0.

    Eq. 11, R[x,x] ← R[x,x] + Ā R[y,x], holds for whatever y carries: R[x,z] ← R[x,z] + Ā R[y,z] of a third stream z.

    Args:
        schedule: the model's sites, in steps that read the state from before the step.
        fused: eq. 5 of each site that matters to the target; a site that is absent adds nothing.
        sizes: tokens per stream.
        normalize: apply eq. 8 and 9 inside eq. 10; without, N(R) = R.
        drop_undefined: the tokens that count, by stream. With it, eq. 10 adds nothing at all
            where eq. 8 is 0/0 in one of their rows, as in the reference's DETR; without, such a row is a unit row.
        self_in_cross: without, eq. 10 is R[x,y] ← R[x,y] + Ā (the paper's ablation of self-attention).
        links: L of every link of the schedule.
    """
    state = Relevance({stream: SelfRelevance(size) for stream, size in sizes.items()})
    normalized: dict[int, tuple[SelfRelevance, Factor]] = {}

    def within_cross(stream: str) -> Factor:
        relevance = state.selves[stream]
        if not self_in_cross:
            return _IDENTITY
        if not normalize:
            return relevance
        # Kept, so that equal factors are known to be one: DETR's every layer shares N(R[image,image]).
        return normalized.setdefault(id(relevance), (relevance, Normalized(relevance)))[1]

    for step in schedule:
        if isinstance(step, Link):
            state.go_over(step, (links or {})[step])
            continue
        present = [site for site in step if site in fused]
        additions = []
        for site in present:
            if not site.is_self:
                left = within_cross(site.rows).transposed_times(fused[site].dense())
                if drop_undefined is not None:
                    for stream in (site.rows, site.cols):
                        if isinstance(factor := within_cross(stream), Normalized):
                            left = left * ~factor.undefined(drop_undefined[stream])[:, None, None]
                carried = {cols: fused[site].times(cross.dense())
                           for (rows, cols), cross in state.crosses.items() if rows == site.cols}
                additions.append((site, left, within_cross(site.cols), carried))
        for site in present:
            if site.is_self:
                _attend(state, site.rows, fused[site])
        for site, left, right, carried in additions:
            _add(state, (site.rows, site.cols), left, right)
            for cols, addition in carried.items():
                if cols == site.rows:
                    state.selves[cols] = state.selves[cols].add(addition)
                else:
                    _add(state, (site.rows, cols), addition, _IDENTITY)
    return state


def _add(state: Relevance, key: tuple[str, str], left: Float[Tensor, "batch rows cols"], right: Factor) -> None:
    old = state.crosses.get(key)
    state.crosses[key] = CrossRelevance(left, right) if old is None else old.add(left, right)


def _attend(state: Relevance, stream: str, fused: Matrix) -> None:
    state.selves[stream] = state.selves[stream].attend(fused)
    for key, cross in state.crosses.items():
        if key[0] == stream:
            state.crosses[key] = cross.attend(fused)
