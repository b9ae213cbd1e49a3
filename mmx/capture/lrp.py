"""Layer-wise relevance propagation on an unmodified model, without a second copy of it.

Inside a `RuleMode` every differentiable function of a forward keeps its value and its gradient, and gains the relevance
rules of some sets; which set a backward follows, or none, is switched. So one forward serves all of them.
LRP is reported to be patented for commercial use; mmx's default method does not use it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mmx.capture.lrp_chefer import CHEFER
from mmx.capture.lrp_gradient import ATTN_LRP, CP_LRP
from mmx.capture.lrp_sets import Known, MissingRuleError, Ruled, Shares, is_active

RULE_SETS = {one.name: one for one in (CHEFER, ATTN_LRP, CP_LRP)}
AT_EMBEDDINGS = (ATTN_LRP.name, CP_LRP.name)
"""The sets by which relevance is that of embeddings, and not of attention maps."""


class RuleMode(TorchFunctionMode):
    """Gives each function of the forwards inside its relevance rules.

    Where relevance meets a function that has none, following it is a MissingRuleError that names the function.

    Args:
        names: of the rule sets.
        conserve_in_linear: see `Reference`; in the reference's own set.

    Attributes:
        followed: the rule set that backwards follow; None for the plain gradient.
    """

    def __init__(self, names: Collection[str] = (CHEFER.name,), *, conserve_in_linear: bool = False) -> None:
        super().__init__()
        self.followed: str | None = None
        self._sets = tuple(RULE_SETS[name] for name in names)
        self._plain = frozenset.intersection(*(one.plain for one in self._sets))
        self._ruled = frozenset[Callable]().union(*(one.rules for one in self._sets))
        self._known = Known(conserve_in_linear)

    @contextmanager
    def following(self, name: str) -> Iterator[None]:
        """Backwards inside follow the rules of this set; outside, the plain gradient."""
        self.followed = name
        try:
            yield
        finally:
            self.followed = None

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in self._plain:
            output = func(*args, **kwargs)
        elif func in self._ruled and torch.is_grad_enabled() and any(map(is_active, (*args, *kwargs.values()))):
            output = self._by_rules(func, args, kwargs)
        else:
            output = func(*args, **kwargs)
            if _any_active(output):
                output = self._applied(self._treatments(func, args, kwargs), output)
        if is_active(output):
            self._known.note(func, args, output)
        return output

    def _treatments(self, func: Callable, args: tuple, kwargs: dict) -> dict[str, Ruled | Shares | None]:
        return {one.name: one.treatment(func, self._known, args, kwargs) for one in self._sets}

    def _by_rules(self, func: Callable, args: tuple, kwargs: dict) -> Any:
        found = self._treatments(func, args, kwargs)
        shares = {name: one.of for name, one in found.items() if isinstance(one, Shares)}
        given: dict[int | str, Any] = {**dict(enumerate(args)), **kwargs}
        for key in {key for of in shares.values() for key in of}:
            if is_active(given[key]):
                parts = {name: of[key] for name, of in shares.items() if key in of}
                given[key] = _Shared.apply(self, parts, given[key])
        output = func(*(given[i] for i in range(len(args))), **{name: given[name] for name in kwargs})
        return self._applied(found, output)

    def _applied(self, found: Mapping[str, Ruled | Shares | None], output: Any) -> Any:
        rules = {name: one for name, one in found.items() if isinstance(one, Ruled)}
        if not rules:
            return output
        if isinstance(output, (tuple, list)):
            return type(output)([self._applied(found, one) for one in output])
        if not is_active(output):
            return output
        return _Ruled.apply(self, rules, output, *(one for ruled in rules.values() for one in ruled.inputs))


class _Ruled(torch.autograd.Function):
    """The output itself; backward goes on to the plain gradient, or by the rule of a set to its inputs."""

    @staticmethod
    def forward(ctx: Any, mode: RuleMode, rules: Mapping[str, Ruled], output: Tensor, *inputs: Tensor) -> Tensor:
        ctx.mode, ctx.rules, ctx.count = mode, rules, len(inputs)
        ctx.set_materialize_grads(False)
        if any(one.rule is not None for one in rules.values()):
            ctx.save_for_backward(output)
        return output.detach()  # no view of it: models may write into what they made themselves

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple:
        """A branch that nothing flows into, such as a divisor, needs no rule."""
        [received] = grad_outputs
        followed = ctx.mode.followed
        if received is None or followed not in ctx.rules:
            return (None, None, received, *(None,) * ctx.count)
        found: list[Tensor | None] = []
        for name, ruled in ctx.rules.items():
            if name != followed:
                found += [None] * len(ruled.inputs)
            elif ruled.rule is None:
                raise MissingRuleError(ruled.lacking, followed)
            else:
                found += ruled.rule(received, *ctx.saved_tensors)
        return (None, None, None, *found)


class _Shared(torch.autograd.Function):
    """The argument itself, of whose gradient a set may have a part, or nothing."""

    @staticmethod
    def forward(ctx: Any, mode: RuleMode, parts: Mapping[str, float], value: Tensor) -> Tensor:
        ctx.mode, ctx.parts = mode, parts
        ctx.set_materialize_grads(False)
        return value.detach()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple:
        [received] = grad_outputs
        part = ctx.parts.get(ctx.mode.followed, 1.0)
        return None, None, None if received is None or part == 0 else received * part if part != 1 else received


def _any_active(output: Any) -> bool:
    return is_active(output) or (isinstance(output, (tuple, list)) and any(map(is_active, output)))
