"""Layer-wise relevance propagation on an unmodified model, without a second copy of it.

Inside a `RuleMode` every differentiable function of a forward keeps its value and its gradient, and gains a
relevance rule; which of the two a backward follows is switched by `RuleMode.relevance`. So one forward serves both.
LRP is reported to be patented for commercial use; mmx's default method does not use it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

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
from mmx.errors import CaptureError

Rule = Callable[[Tensor, Tensor], tuple[Tensor | None, ...]]
"""(relevance of the output, the output) → relevance of each input."""


class MissingRuleError(CaptureError):
    """Relevance meets a function that has no rule."""


class RuleMode(TorchFunctionMode):
    """Gives each function of the forwards inside its relevance rule.

    Where relevance meets a function that has none, following it is a MissingRuleError that names the function.
    """

    def __init__(self, conserve_in_linear: bool = False) -> None:
        super().__init__()
        self.relevance = False
        self.conserve_in_linear = conserve_in_linear
        self._inverse = WeakValueDictionary[int, Tensor]()  # the graph knows this mode: no leak

    def only_scales(self, value: Tensor) -> bool:
        """Whether it is one over something, by which what is multiplied is divided."""
        return self._inverse.get(id(value)) is value

    @contextmanager
    def following_relevance(self) -> Iterator[None]:
        """Backwards inside follow the relevance rules; outside, the plain gradient."""
        self.relevance = True
        try:
            yield
        finally:
            self.relevance = False

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func in _SHAPING:
            return output
        if isinstance(output, Tensor):
            ruled = self._ruled(func, output, args, kwargs)
            if func in _INVERSE:
                self._inverse[id(ruled)] = ruled
            return ruled
        if isinstance(output, (tuple, list)) and any(_is_active(one) for one in output):
            return type(output)(self._ruled(func, one, args, kwargs) for one in output)
        return output

    def _ruled(self, func: Callable, output: Any, args: tuple, kwargs: dict) -> Any:
        if not _is_active(output):
            return output
        inputs, rule = _RULES.get(func, _unknown)(self, args, kwargs)
        named = rule or _refuse(resolve_name(func) or str(func))
        return _Ruled.apply(self, named, output, *inputs)


class _Ruled(torch.autograd.Function):
    """The output itself; backward goes on to the plain gradient, or by the rule to the inputs."""

    @staticmethod
    def forward(ctx: Any, mode: RuleMode, rule: Rule, output: Tensor, *inputs: Tensor) -> Tensor:
        ctx.mode, ctx.rule, ctx.count = mode, rule, len(inputs)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(output)
        return output.detach()  # no view of it: models may write into what they made themselves

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple:
        """A branch that nothing flows into, such as a divisor, needs no rule."""
        [received] = grad_outputs
        if received is None or not ctx.mode.relevance:
            return (None, None, received, *(None,) * ctx.count)
        (output,) = ctx.saved_tensors
        return (None, None, None, *ctx.rule(received, output))


Found = tuple[tuple[Tensor, ...], Rule | None]


def _linear(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    x, weight = args[:2]
    bias = args[2] if len(args) > 2 else kwargs.get("bias")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor]:
        product = output if bias is None else output - bias
        found = linear_rule(relevance, product, x, weight)
        return (conserved(found, relevance) if mode.conserve_in_linear else found,)

    return (x,), rule


def _identity(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    return (args[0] if args else kwargs["input"],), lambda relevance, output: (relevance,)


def _product(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    """Elementwise: half to each of two activations, as in `matmul_rule`; all to an activation that is scaled.

    So x · sigmoid(1.702 x), which is CLIP's GELU, passes relevance on unchanged, as every activation function does; and
    so does x · 1/√(mean of x²), an RMS norm, which is a quotient.
    """
    a, b = args[:2]
    if _is_active(a) and _is_active(b) and mode.only_scales(a) != mode.only_scales(b):
        return _quotient(mode, (b, a) if mode.only_scales(a) else (a, b), {})
    if _is_active(a) and _is_active(b):
        return (a, b), lambda relevance, output: tuple((relevance / 2).sum_to_size(one.shape) for one in (a, b))
    active = a if _is_active(a) else b
    return (active,), lambda relevance, output: (relevance.expand_as(active),)


def _quotient(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    """All to the numerator: what divides only scales, as the deviation in a layer norm does."""
    active = args[0] if _is_active(args[0]) else args[1]
    return (active,), lambda relevance, output: (relevance.expand_as(active),)


def _add(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    a, b = args[:2]
    if _is_active(a) and _is_active(b):
        return (a, b), lambda relevance, output: add_rule(relevance, output, a, b)
    active = a if _is_active(a) else b
    return (active,), lambda relevance, output: (relevance,)


def _matmul(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    """Of two activations half to each; of one and a constant matrix as in a linear layer, which that is."""
    a, b = args[:2]
    if _is_active(a) and _is_active(b):
        return (a, b), lambda relevance, output: matmul_rule(relevance, output, a, b)
    active, constant = (a, b) if _is_active(a) else (b, a)
    if min(a.dim(), b.dim()) < 2:
        return (active,), _refuse("the product of a vector and a constant matrix")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor]:
        found = (matrix_rule(relevance, output, active, constant) if active is a else
                 matrix_rule(relevance.mT, output.mT, active.mT, constant.mT).mT)
        return (conserved(found, relevance) if mode.conserve_in_linear else found,)

    return (active,), rule


def _einsum(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    """Of two activations where it is the product of one and the other's transpose, as "...pd,...qd->...pq" is."""
    equation, *factors = args
    given, _, result = equation.replace(" ", "").partition("->")
    of_a, _, of_b = given.partition(",")
    same_axes = len(result) > 1 and of_a[:-1] == result[:-1] and of_b == f"{result[:-2]}{result[-1]}{of_a[-1]}"
    if not (same_axes and all(map(_is_active, factors))):
        return tuple(one for one in factors if _is_active(one)), _refuse(f"torch.einsum('{equation}') of such factors")
    a, b = factors

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        to_a, to_b = matmul_rule(relevance, output, a, b.mT)
        return to_a, to_b.mT

    return (a, b), rule


def _attention(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    """The map and the values have half each, and of the map's half the queries and keys again half each."""
    given = [args[i] if len(args) > i else kwargs[name] for i, name in enumerate(("query", "key", "value"))]
    active = [_is_active(one) for one in given]
    if not active[2]:
        return tuple(one for one in given if _is_active(one)), _refuse("an attention to constant values")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor | None, ...]:
        found = attention_rule(relevance, mixed_by_sdpa(output, *args, **kwargs), has_query=active[0],
                               has_key=active[1])
        return tuple(one for one, is_active in zip(found, active, strict=True) if is_active)

    return tuple(one for one, is_active in zip(given, active, strict=True) if is_active), rule


def _total(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    """A sum or a mean: to each summand its share by value."""
    x = args[0] if args else kwargs["input"]
    dims = args[1] if len(args) > 1 else kwargs.get("dim")

    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor]:
        total = x.sum(dim=dims, keepdim=True)
        return (x * safe_divide(relevance.reshape(total.shape), total),)

    return (x,), rule


def _pooled(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    """A mean over the last axis, where one number is left of it."""
    x, size = args[:2]
    if size not in (1, (1,), [1]):
        return (x,), None
    return _total(mode, (x, -1), {})


def _is_active(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _unknown(mode: RuleMode, args: tuple, kwargs: dict) -> Found:
    given = [one for value in (*args, *kwargs.values())
             for one in (value if isinstance(value, (tuple, list)) else (value,))]
    return tuple(one for one in given if _is_active(one)), None


def _refuse(what: str) -> Rule:
    def rule(relevance: Tensor, output: Tensor) -> tuple[Tensor | None, ...]:
        raise MissingRuleError(f"There is no relevance rule for {what}.",
                               "Methods that need LRP do not apply to this model.")

    return rule


_F = torch.nn.functional
_RULES: dict[Callable, Callable[[RuleMode, tuple, dict], Found]] = {
    _F.linear: _linear,
    SDPA: _attention,
    **dict.fromkeys(MATMULS, _matmul),
    torch.einsum: _einsum,
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__), _add),
    **dict.fromkeys((torch.sum, Tensor.sum, torch.mean, Tensor.mean), _total),
    _F.adaptive_avg_pool1d: _pooled,
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _product),
    **dict.fromkeys((torch.div, Tensor.div, Tensor.__truediv__), _quotient),
    **dict.fromkeys((_F.softmax, torch.softmax, Tensor.softmax, _F.layer_norm, torch.layer_norm, _F.dropout, _F.gelu,
                     _F.relu, torch.relu, Tensor.relu, _F.elu, torch.tanh, Tensor.tanh, _F.silu, torch.sigmoid,
                     Tensor.sigmoid, _F.normalize), _identity),
}
_INVERSE = {torch.rsqrt, Tensor.rsqrt, torch.reciprocal, Tensor.reciprocal}
# Moving values about is linear with ones and zeros: the plain backward is the rule.
_SHAPING = {
    Tensor.view, Tensor.reshape, torch.reshape, Tensor.permute, torch.permute, Tensor.transpose, torch.transpose,
    Tensor.contiguous, Tensor.__getitem__, Tensor.expand, Tensor.unsqueeze, torch.unsqueeze, Tensor.squeeze,
    torch.squeeze, Tensor.flatten, torch.flatten, Tensor.clone, Tensor.to, Tensor.float, Tensor.double, torch.cat,
    Tensor.view_as, Tensor.chunk, torch.chunk, Tensor.split, torch.split, Tensor.unbind, torch.unbind,
    Tensor.requires_grad_, Tensor.index_select, torch.index_select, torch.gather, Tensor.gather, Tensor.type, Tensor.t,
    torch.t, _F.pad, torch.roll, Tensor.roll, torch.where, Tensor.where, torch.masked_fill, Tensor.masked_fill,
    torch.broadcast_to, Tensor.broadcast_to, *(getattr(Tensor, name).__get__ for name in ("T", "mT")),
}
