"""AttnLRP and CP-LRP (Achtibat et al. 2024, arXiv 2402.05602), as rules for gradients.

Relevance of a tensor is the tensor times its gradient, where some functions hand on another gradient than their own.
Of what is linear the gradient itself is the ε rule without ε (eq. 8), and of a softmax it is the rule of its Taylor
expansion (proposition 3.1); an activation or a norm hands relevance on as it is (eq. 9 and proposition 3.4), a product
of two activations half of it to each (proposition 3.3). CP-LRP (Ali et al. 2022, arXiv 2202.07304) takes attention maps
and activated gates for constants.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mmx.capture.attention import MATMULS, SDPA
from mmx.capture.lrp_sets import ACTIVATIONS, SHAPING, SOFTMAXES, Finder, Known, Ruled, RuleSet, Shares, is_active
from mmx.capture.maps import full

_F = torch.nn.functional


def _activation(known: Known, args: tuple, kwargs: dict) -> Ruled:
    return _identity((args or (kwargs["input"],))[0])


def _identity(x: Tensor) -> Ruled:
    """All relevance of f(x) to x: the gradient f(x) / x; none where x is 0 and so has no relevance."""
    return Ruled((x,), lambda received, output: (received * (output / x).masked_fill(x == 0, 0),))


def _layer_norm(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """The deviation is a constant, and the mean is linear."""
    x, shape, weight, eps = _given(args, kwargs, input=None, normalized_shape=None, weight=None, bias=None, eps=1e-5)
    dims = tuple(range(-len(shape), 0))

    def rule(received: Tensor, output: Tensor) -> tuple[Tensor]:
        given = _scaled(received, weight, full(x).var(dims, correction=0, keepdim=True) + eps)
        return ((given - given.mean(dims, keepdim=True)).to(x.dtype),)

    return Ruled((x,), rule)


def _rms_norm(known: Known, args: tuple, kwargs: dict) -> Ruled:
    x, shape, weight, eps = _given(args, kwargs, input=None, normalized_shape=None, weight=None, eps=None)
    dims, small = tuple(range(-len(shape), 0)), torch.finfo(x.dtype).eps if eps is None else eps
    return Ruled((x,), lambda received, output: (
        _scaled(received, weight, full(x).square().mean(dims, keepdim=True) + small).to(x.dtype),))


def _given(args: tuple, kwargs: dict, **usual: Any) -> list[Any]:
    """The arguments of a function that has these, and these defaults; without a bias, which is of no account."""
    given = {**usual, **dict(zip(usual, args, strict=False)), **kwargs}
    return [given[name] for name in usual if name != "bias"]


def _scaled(received: Tensor, weight: Tensor | None, square: Tensor) -> Tensor:
    return (received if weight is None else received * weight) * square.rsqrt()


def _normalize(known: Known, args: tuple, kwargs: dict) -> Ruled:
    """The length is a constant."""
    x, p, dim, eps = _given(args, kwargs, input=None, p=2.0, dim=1, eps=1e-12)
    return Ruled((x,), lambda received, output: (
        received / torch.linalg.vector_norm(x, p, dim, keepdim=True).clamp(min=eps),))


def _quotient(known: Known, args: tuple, kwargs: dict) -> Shares | Ruled:
    """All to what is divided."""
    return Shares({1: 0.0}) if is_active(args[0]) else Ruled()


def _product(known: Known, args: tuple, kwargs: dict) -> Shares | Ruled:
    """Half to each of two activations, all to one that is scaled.

    What is a function of one tensor element by element, such as x · sigmoid(1.702 x), is an activation function.
    """
    a, b = args[:2]
    if not (is_active(a) and is_active(b)):
        return Shares({})
    if known.trait(a).inverse != known.trait(b).inverse:
        return Shares({0 if known.trait(a).inverse else 1: 0.0})
    base = known.one_of((a, b))
    if base is not None:
        return _identity(base)
    return Shares({0: 0.5, 1: 0.5})


def _product_with_gates(known: Known, args: tuple, kwargs: dict) -> Shares | Ruled:
    """The same, but all to what goes through an activated gate."""
    found, gates = _product(known, args, kwargs), [known.trait(one).activated for one in args[:2]]
    if isinstance(found, Shares) and len(found.of) == 2 and gates[0] != gates[1]:
        return Shares({0 if gates[0] else 1: 0.0})
    return found


def _matmul(known: Known, args: tuple, kwargs: dict) -> Shares:
    return _halves({0: args[0], 1: args[1]})


def _matmul_with_maps(known: Known, args: tuple, kwargs: dict) -> Shares:
    """Half to each of two activations, all to what a map mixes."""
    maps: dict[int | str, float] = {place: 0.0 for place, one in enumerate(args[:2]) if known.trait(one).map}
    return Shares(maps) if maps else _matmul(known, args, kwargs)


def _einsum(known: Known, args: tuple, kwargs: dict) -> Shares:
    return _halves(dict(enumerate(args[1:], 1)))


def _einsum_with_maps(known: Known, args: tuple, kwargs: dict) -> Shares:
    maps: dict[int | str, float] = {place: 0.0 for place, one in enumerate(args[1:], 1) if known.trait(one).map}
    return Shares(maps) if maps else _einsum(known, args, kwargs)


def _halves(factors: dict[int, Tensor]) -> Shares:
    active = [place for place, one in factors.items() if is_active(one)]
    return Shares(dict.fromkeys(active, 1 / max(1, len(active))))


def _attention(known: Known, args: tuple, kwargs: dict) -> Shares:
    """Half to the values and half to the map, which is half to the queries and half to the keys; all to one half whose
    other is constant.
    """
    given = _mixed(args, kwargs)
    query, key, value = (float(is_active(one)) for one in given.values())
    of_value = value / max(1.0, value + max(query, key))
    of_each = (1 - of_value) / max(1.0, query + key)
    return Shares(dict(zip(given, (of_each, of_each, of_value), strict=True)))


def _attention_by_constant_maps(known: Known, args: tuple, kwargs: dict) -> Shares:
    return Shares(dict(zip(_mixed(args, kwargs), (0.0, 0.0, 1.0), strict=True)))


def _mixed(args: tuple, kwargs: dict) -> dict[int | str, Tensor]:
    return {i if len(args) > i else name: args[i] if len(args) > i else kwargs[name]
            for i, name in enumerate(("query", "key", "value"))}


def _constant(known: Known, args: tuple, kwargs: dict) -> Shares:
    return Shares({0 if args else "input": 0.0})


_RULES: dict[Callable, Finder] = {
    **dict.fromkeys(ACTIVATIONS - {torch.erf, Tensor.erf}, _activation),
    **dict.fromkeys((_F.layer_norm, torch.layer_norm), _layer_norm),
    **dict.fromkeys((_F.rms_norm, torch.rms_norm), _rms_norm),
    _F.normalize: _normalize,
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _product),
    **dict.fromkeys((torch.div, Tensor.div, Tensor.__truediv__), _quotient),
    **dict.fromkeys(MATMULS, _matmul),
    torch.einsum: _einsum,
    SDPA: _attention,
}
_CP_RULES: dict[Callable, Finder] = {
    **_RULES,
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _product_with_gates),
    **dict.fromkeys(MATMULS, _matmul_with_maps),
    torch.einsum: _einsum_with_maps,
    SDPA: _attention_by_constant_maps,
    **dict.fromkeys(SOFTMAXES, _constant),
}
# What is linear, or a line from 0 on either side of it.
_LINEAR = SHAPING | {
    _F.linear, _F.conv1d, _F.conv2d, _F.conv3d, _F.batch_norm, _F.dropout, _F.interpolate, _F.adaptive_avg_pool1d,
    _F.adaptive_avg_pool2d, _F.avg_pool1d, _F.avg_pool2d, _F.relu, torch.relu, Tensor.relu, _F.leaky_relu, _F.prelu,
    torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, Tensor.add_, Tensor.__iadd__, torch.sub, Tensor.sub,
    Tensor.__sub__, Tensor.__rsub__, Tensor.sub_, Tensor.__isub__, torch.neg, Tensor.neg, Tensor.__neg__, torch.sum,
    Tensor.sum, torch.mean, Tensor.mean, torch.cumsum, Tensor.cumsum, torch.stack, Tensor.repeat,
    Tensor.repeat_interleave, torch.repeat_interleave, torch.masked_scatter, Tensor.masked_scatter, Tensor.masked_fill_,
    Tensor.copy_, Tensor.__setitem__, Tensor.half, Tensor.bfloat16, Tensor.type_as, Tensor.cpu, Tensor.cuda,
}
ATTN_LRP = RuleSet("attn-lrp", _RULES, _LINEAR | SOFTMAXES)
CP_LRP = RuleSet("cp-lrp", _CP_RULES, _LINEAR)
