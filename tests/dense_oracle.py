"""The paper's equations a second time, slowly: loops and whole matrices of one sample, no code of mmx.rules."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from mmx.schedule import Link, Schedule, Site

Matrices = dict[tuple[str, str], Tensor]


def dense_fuse(attention: Tensor, gradient: Tensor) -> Tensor:
    """Eq. 5 of (heads, rows, cols), entry by entry."""
    heads, rows, cols = attention.shape
    fused = torch.zeros(rows, cols, dtype=attention.dtype)
    for head in range(heads):
        for row in range(rows):
            for col in range(cols):
                fused[row, col] += max(0.0, float(attention[head, row, col] * gradient[head, row, col])) / heads
    return fused


def dense_row_normalize(matrix: Tensor) -> Tensor:
    """Each row over its sum; a row of zeros stays."""
    return torch.stack([row / row.sum() if float(row.sum()) != 0 else torch.zeros_like(row) for row in matrix])


def dense_normalize(relevance: Tensor) -> Tensor:
    """Eq. 8 and 9; a row of R - I that is all zero leaves the unit row."""
    identity = torch.eye(len(relevance), dtype=relevance.dtype)
    return dense_row_normalize(relevance - identity) + identity


def dense_start(sizes: Mapping[str, int]) -> Matrices:
    return {(rows, cols): torch.eye(size, dtype=torch.float64) if rows == cols
            else torch.zeros(size, sizes[cols], dtype=torch.float64)
            for rows, size in sizes.items() for cols in sizes}


def dense_walk(schedule: Schedule, fused: Mapping[Site, Tensor], sizes: Mapping[str, int], *,
               normalize: bool = True, self_in_cross: bool = True,
               undefined_drops: Mapping[str, Tensor] | None = None,
               links: Mapping[Link, Tensor] = MappingProxyType({})) -> Matrices:
    """Eq. 6, 7, 10 and 11 on full matrices, the last for every stream that the keys carry; all of a step read `old`.

    `undefined_drops`: the tokens (tokens,) bool whose 0/0 in eq. 8 makes eq. 10 add nothing at all.
    `links`: the matrix (rows, cols) of each.
    """
    relevance = dense_start(sizes)
    for step in schedule:
        old = dict(relevance)
        if isinstance(step, Link):
            relevance |= {(step.rows, y): old[step.rows, y] + links[step] @ old[step.cols, y] for y in sizes}
            continue
        for site in step:
            if site not in fused:
                continue
            map_, s, q = fused[site], site.rows, site.cols
            if s == q:
                for y in sizes:
                    relevance[s, y] = relevance[s, y] + map_ @ old[s, y]
                continue
            own, other = old[s, s], old[q, q]
            dropped = undefined_drops is not None and any(
                not (old[x, x] - torch.eye(size, dtype=torch.float64))[row].any()
                for x, size in ((s, sizes[s]), (q, sizes[q])) for row in torch.nonzero(undefined_drops[x]).flatten())
            if normalize:
                own, other = dense_normalize(own), dense_normalize(other)
            if not dropped:
                relevance[s, q] = relevance[s, q] + (own.T @ map_ @ other if self_in_cross else map_)
            for y in sizes:
                if y != q:
                    relevance[s, y] = relevance[s, y] + map_ @ old[q, y]
    return relevance


def dense_fused(maps: Mapping[Site, Tensor], score: Tensor) -> dict[Site, Tensor]:
    """Eq. 5 at every site, of maps (1, heads, rows, cols) in the graph of one score."""
    found = torch.autograd.grad(score, list(maps.values()), retain_graph=True)
    return {site: dense_fuse(map_[0].detach(), gradient[0])
            for (site, map_), gradient in zip(maps.items(), found, strict=True)}


def dense_mean(map_: Tensor) -> Tensor:
    """Mean over heads of (1, heads, rows, cols)."""
    return sum(head for head in map_[0].detach()) / map_.shape[1]


def dense_rollout(maps: Sequence[Tensor]) -> Tensor:
    """Mean over heads of each (1, heads, n, n), plus I, rows over their sums, multiplied; the first layer first."""
    product = torch.eye(maps[0].shape[-1], dtype=torch.float64)
    for map_ in maps:
        product = dense_row_normalize(dense_mean(map_) + torch.eye(len(product))) @ product
    return product
