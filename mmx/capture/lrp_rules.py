"""The rules of layer-wise relevance propagation, as functions of tensors.

They are those of the reference (Chefer, Gur & Wolf 2021, code at 58eaea8; alpha = 1), with its guards against division
by zero. Sums run over one sample, where the reference's run over a batch that is always one.
"""

import torch
from torch import Tensor

from mmx.arrays import Float
from mmx.capture.attention import Mixed, of_all_heads, row_blocks

_GUARD = 1e-9


def safe_divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """a / (b + 1e-9), and 0 where b is 0."""
    return (numerator / (denominator + _GUARD)).masked_fill_(denominator == 0, 0)


def linear_rule(relevance: Float[Tensor, "*batch outputs"], product: Float[Tensor, "*batch outputs"],
                x: Float[Tensor, "*batch inputs"],
                weight: Float[Tensor, "outputs inputs"]) -> Float[Tensor, "*batch inputs"]:
    """The z⁺ rule without bias: x⁺(S W⁺) + x⁻(S W⁻), S = R / (x⁺W⁺ + x⁻W⁻).

    With |·| elementwise, x⁺w⁺ + x⁻w⁻ = (xw + |x||w|) / 2, so no matrix is split: `product` is the forward's own xw.
    """
    return matrix_rule(relevance, product, x, weight.T)


def matrix_rule(relevance: Float[Tensor, "*batch outputs"], product: Float[Tensor, "*batch outputs"],
                x: Float[Tensor, "*#batch inputs"],
                matrix: Float[Tensor, "*#matrices inputs outputs"]) -> Float[Tensor, "*#batch inputs"]:
    """The same of x · matrix, whose leading axes broadcast."""
    x_size, size = x.abs(), matrix.abs()
    share = safe_divide(relevance, (product + x_size @ size) / 2)
    found = x * (share @ matrix.mT) + x_size * (share @ size.mT)
    return found.sum_to_size(x.shape) / 2


def add_rule(relevance: Float[Tensor, "*shape"], total: Float[Tensor, "*shape"], a: Float[Tensor, "*#shape"],
             b: Float[Tensor, "*#shape"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Shares by value, then each side scaled to its part of the sample's whole relevance."""
    share = safe_divide(relevance, total)
    to_a, to_b = a * share, b * share
    sum_a, sum_b, whole = _per_sample(to_a), _per_sample(to_b), _per_sample(relevance)
    size = sum_a.abs() + sum_b.abs()
    return (to_a * safe_divide(safe_divide(sum_a.abs(), size) * whole, sum_a),
            to_b * safe_divide(safe_divide(sum_b.abs(), size) * whole, sum_b))


def matmul_rule(relevance: Float[Tensor, "*batch rows cols"], product: Float[Tensor, "*batch rows cols"],
                a: Float[Tensor, "*batch rows inner"], b: Float[Tensor, "*batch inner cols"],
                ) -> tuple[Float[Tensor, "*batch rows inner"], Float[Tensor, "*batch inner cols"]]:
    """Half of the relevance to each factor."""
    share = safe_divide(relevance, product)
    return a * (share @ b.transpose(-1, -2)) / 2, b * (a.transpose(-1, -2) @ share) / 2


def attention_rule(relevance: Float[Tensor, "batch heads rows width"], mixed: Mixed, *, has_query: bool = True,
                   has_key: bool = True) -> tuple[Tensor | None, Tensor | None, Tensor]:
    """Of a whole attention: `matmul_rule` of map and values, the identity through softmax, mask and scale, and the
    rule of the product of queries and keys; by blocks of rows, without the map.

    Args:
        has_query, has_key: whether they are activations; what is constant gets none.

    Returns:
        Relevance of queries, keys and values, in their own shapes.
    """
    query, output = mixed.query, mixed.output
    assert query is not None and mixed.key is not None and mixed.value is not None and output is not None
    heads, cols = query.shape[1], mixed.key.shape[2]
    key, value = of_all_heads(mixed.key, heads), of_all_heads(mixed.value, heads)
    to_queries, to_keys, to_values = [], torch.zeros_like(key), torch.zeros_like(value)
    for rows in row_blocks(query.shape[2], heads * cols, query.device):
        # `narrow`, as the relevance may be of several targets at once, which an index of all rows does not take.
        received, some = relevance.narrow(2, rows.start, rows.stop - rows.start), query[:, :, rows]
        map_ = mixed.map_rows(rows, key)
        to_map, found = matmul_rule(received, output[:, :, rows], map_, value)
        to_values = to_values + found
        product = some @ key.mT
        if has_query and has_key:
            to_some, found = matmul_rule(to_map, product, some, key.mT)
            to_queries.append(to_some)
            to_keys = to_keys + found.mT
        elif has_query:
            to_queries.append(matrix_rule(to_map, product, some, key.mT))
        elif has_key:
            to_keys = to_keys + matrix_rule(to_map.mT, product.mT, key, some.mT)
    return (torch.cat(to_queries, dim=2) if has_query else None, _of_groups(to_keys, mixed.key) if has_key else None,
            _of_groups(to_values, mixed.value))


def _of_groups(values: Tensor, like: Tensor) -> Tensor:
    """What heads that share keys or values have, together."""
    return values.reshape(*like.shape[:2], -1, *like.shape[2:]).sum(dim=2)


def conserved(relevance_in: Float[Tensor, " samples *shape"],
              relevance_out: Float[Tensor, " samples *_other"]) -> Float[Tensor, " samples *shape"]:
    """`relevance_in` rescaled so that its sum over the sample is that of `relevance_out`."""
    return relevance_in * safe_divide(_per_sample(relevance_out), _per_sample(relevance_in))


def _per_sample(values: Tensor) -> Tensor:
    return values.sum(dim=tuple(range(1, values.dim())), keepdim=True)
