"""The rule set of the reference: which of `lrp_rules` holds for which function."""

from collections.abc import Callable

import torch
from torch import Tensor

from mmx.capture.attention import MATMULS, SDPA, mixed_by_sdpa
from mmx.capture.lrp_rules import (
    add_rule,
    attention_rule,
    conserved,
    linear_rule,
    matmul_rule,
    matrix_rule,
    safe_divide,
)
from mmx.capture.lrp_sets import Finder, Known, Ruled, RuleSet, is_active


def _linear(known: Known, args: tuple, kwargs: dict) -> Ruled:
    x, weight = args[:2]
    bias = args[2] if len(args) > 2 else kwargs.get("bias")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor]:
        product = output if bias is None else output - bias
        found = linear_rule(relevance, product, x, weight)
        return (conserved(found, relevance) if known.conserve_in_linear else found,)

    return Ruled((x,), rule)


def _identity(known: Known, args: tuple, kwargs: dict) -> Ruled:
    return Ruled((args[0] if args else kwargs["input"],), lambda relevance, output: (relevance,))


def _product(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """Elementwise: half to each of two activations, as in `matmul_rule`; all to an activation that is scaled.

    So x · sigmoid(1.702 x), which is CLIP's GELU, passes relevance on unchanged, as every activation function does; and
    so does x · 1/√(mean of x²), an RMS norm, which is a quotient.
    """
    a, b = args[:2]
    if is_active(a) and is_active(b) and known.trait(a).inverse != known.trait(b).inverse:
        return _quotient(known, (b, a) if known.trait(a).inverse else (a, b), {})
    if is_active(a) and is_active(b):
        return Ruled((a, b), lambda relevance, output: tuple((relevance / 2).sum_to_size(one.shape) for one in (a, b)))
    active = a if is_active(a) else b
    return Ruled((active,), lambda relevance, output: (relevance.expand_as(active),))


def _quotient(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """All to the numerator: what divides only scales, as the deviation in a layer norm does."""
    active = args[0] if is_active(args[0]) else args[1]
    return Ruled((active,), lambda relevance, output: (relevance.expand_as(active),))


def _add(known: Known, args: tuple, kwargs: dict) -> Ruled:
    a, b = args[:2]
    if is_active(a) and is_active(b):
        return Ruled((a, b), lambda relevance, output: add_rule(relevance, output, a, b))
    active = a if is_active(a) else b
    return Ruled((active,), lambda relevance, output: (relevance,))


def _matmul(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """Of two activations half to each; of one and a constant matrix as in a linear layer, which that is."""
    a, b = args[:2]
    if is_active(a) and is_active(b):
        return Ruled((a, b), lambda relevance, output: matmul_rule(relevance, output, a, b))
    active, constant = (a, b) if is_active(a) else (b, a)
    if min(a.dim(), b.dim()) < 2:
        return Ruled(lacking="the product of a vector and a constant matrix")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor]:
        found = (matrix_rule(relevance, output, active, constant) if active is a else
                 matrix_rule(relevance.mT, output.mT, active.mT, constant.mT).mT)
        return (conserved(found, relevance) if known.conserve_in_linear else found,)

    return Ruled((active,), rule)


def _einsum(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """Of two activations where it is the product of one and the other's transpose, as "...pd,...qd->...pq" is."""
    equation, *factors = args
    given, _, result = equation.replace(" ", "").partition("->")
    of_a, _, of_b = given.partition(",")
    same_axes = len(result) > 1 and of_a[:-1] == result[:-1] and of_b == f"{result[:-2]}{result[-1]}{of_a[-1]}"
    if not (same_axes and all(map(is_active, factors))):
        return Ruled(lacking=f"torch.einsum('{equation}') of such factors")
    a, b = factors

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        to_a, to_b = matmul_rule(relevance, output, a, b.mT)
        return to_a, to_b.mT

    return Ruled((a, b), rule)


def _attention(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """The map and the values have half each, and of the map's half the queries and keys again half each."""
    given = [args[i] if len(args) > i else kwargs[name] for i, name in enumerate(("query", "key", "value"))]
    active = [is_active(one) for one in given]
    if not active[2]:
        return Ruled(lacking="an attention to constant values")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor | None, ...]:
        found = attention_rule(relevance, mixed_by_sdpa(output, *args, **kwargs), has_query=active[0],
                               has_key=active[1])
        return tuple(one for one, has in zip(found, active, strict=True) if has)

    return Ruled(tuple(one for one, has in zip(given, active, strict=True) if has), rule)


def _total(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """A sum or a mean: to each summand its share by value."""
    x = args[0] if args else kwargs["input"]
    dims = args[1] if len(args) > 1 else kwargs.get("dim")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor]:
        total = x.sum(dim=dims, keepdim=True)
        return (x * safe_divide(relevance.reshape(total.shape), total),)

    return Ruled((x,), rule)


def _pooled(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """A mean over the last axis, where one number is left of it."""
    x, size = args[:2]
    if size not in (1, (1,), [1]):
        return Ruled()
    return _total(known, (x, -1), {})


_F = torch.nn.functional
_RULES: dict[Callable, Finder] = {
    _F.linear: _linear,
    SDPA: _attention,
    **dict.fromkeys(MATMULS, _matmul),
    torch.einsum: _einsum,
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__), _add),
    **dict.fromkeys((torch.sum, Tensor.sum, torch.mean, Tensor.mean), _total),
    _F.adaptive_avg_pool1d: _pooled,
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _product),
    **dict.fromkeys((torch.div, Tensor.div, Tensor.__truediv__), _quotient),
    **dict.fromkeys((torch.neg, Tensor.neg, Tensor.__neg__, _F.softmax, torch.softmax, Tensor.softmax, _F.layer_norm,
                     torch.layer_norm, _F.dropout, _F.gelu, _F.relu, torch.relu, Tensor.relu, _F.elu, torch.tanh,
                     Tensor.tanh, _F.silu, torch.sigmoid, Tensor.sigmoid, _F.normalize), _identity),
}
CHEFER = RuleSet("lrp", _RULES)
"""That of Chefer, Gur & Wolf 2021."""
