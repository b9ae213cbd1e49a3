"""What a set of relevance rules is, and what its rules may know of a forward."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import resolve_name
from torch.utils.weak import WeakTensorKeyDictionary

from mmx.errors import CaptureError

Rule = Callable[[Tensor, Tensor], tuple[Tensor | None, ...]]
"""(relevance of the output, the output) → relevance of each input. Of a set in gradient form, so are gradients."""


class MissingRuleError(CaptureError):
    """Relevance meets a function that has no rule.

    Attributes:
        rule_set: the name of the set that has none.
    """

    def __init__(self, what: str, rule_set: str) -> None:
        super().__init__(f"There is no relevance rule for {what}.", "Methods that need LRP do not apply to this model.")
        self.rule_set = rule_set


@dataclass(frozen=True)
class Ruled:
    """Relevance goes to some inputs by a rule, and nowhere else.

    Attributes:
        rule: None where there is none, and relevance that comes there is a MissingRuleError.
        lacking: what there is no rule for; "" for the function.
    """

    inputs: tuple[Tensor, ...] = ()
    rule: Rule | None = None
    lacking: str = ""


@dataclass(frozen=True)
class Shares:
    """The plain gradient, of which arguments, by place or name, have a part; the others have all of theirs."""

    of: Mapping[int | str, float]


@dataclass(frozen=True, eq=False)
class Trait:
    """How a forward made a tensor.

    Attributes:
        inverse: it is one over something, by which what is multiplied is divided.
        map: it is an attention map, or what else comes out of a softmax.
        activated: an activation function made it.
        of: the one tensor of which it is a function, element by element.
    """

    inverse: bool = False
    map: bool = False
    activated: bool = False
    of: Tensor | None = None


class Known:
    """What is known of the tensors of a forward beside their values."""

    def __init__(self, conserve_in_linear: bool = False) -> None:
        self.conserve_in_linear = conserve_in_linear
        self._traits = WeakTensorKeyDictionary()  # the graph knows this object: no leak

    def trait(self, value: Any) -> Trait:
        return (self._traits.get(value) if isinstance(value, Tensor) else None) or _NONE

    def note(self, func: Callable, args: tuple, output: Tensor) -> None:
        """A function has given this output, of these arguments."""
        if func in _INVERSES:
            self._traits[output] = Trait(inverse=True)
        elif func in SOFTMAXES:
            self._traits[output] = Trait(map=True)
        elif func in SHAPING or func is _F.dropout:
            if (before := self.trait(args[0] if args else None)) is not _NONE:
                self._traits[output] = replace(before, of=None)
        elif func in _BY_ELEMENTS:
            base = self.one_of(args)
            activated = func in ACTIVATIONS or any(self.trait(one).activated for one in args)
            if activated or base is not None:
                self._traits[output] = Trait(activated=activated, of=base)

    def one_of(self, values: tuple) -> Tensor | None:
        """The one tensor of which these are functions, element by element; numbers are constants."""
        tensors = [one for one in values if isinstance(one, Tensor)]
        bases = [one if (base := self.trait(one).of) is None else base for one in tensors if is_active(one)]
        alike = len(bases) == len(tensors) and all(one is bases[0] for one in bases)
        return bases[0] if bases and alike and all(one.shape == bases[0].shape for one in tensors) else None


Finder = Callable[[Known, tuple, dict], Ruled | Shares | None]
"""What is to be done at a call with these arguments; None is the plain gradient."""


@dataclass(frozen=True)
class RuleSet:
    """Relevance rules for the functions that models call.

    Attributes:
        name: as methods name it among their needs.
        rules: by function.
        plain: functions whose plain gradient is the rule.
    """

    name: str
    rules: Mapping[Callable, Finder]
    plain: frozenset[Callable] = field(default_factory=lambda: SHAPING)

    def treatment(self, func: Callable, known: Known, args: tuple, kwargs: dict) -> Ruled | Shares | None:
        """What is to be done at a call."""
        if func in self.plain:
            return None
        found = self.rules[func](known, args, kwargs) if func in self.rules else Ruled()
        if isinstance(found, Ruled) and found.rule is None and not found.lacking:
            return Ruled(lacking=resolve_name(func) or str(func))
        return found


def is_active(value: Any) -> bool:
    """Whether it is a part of the graph, and no constant."""
    return isinstance(value, Tensor) and value.requires_grad


_NONE = Trait()
_F = torch.nn.functional
_INVERSES = {torch.rsqrt, Tensor.rsqrt, torch.reciprocal, Tensor.reciprocal}
SOFTMAXES = frozenset({_F.softmax, torch.softmax, Tensor.softmax})
ACTIVATIONS = frozenset({_F.gelu, _F.silu, _F.elu, _F.mish, _F.hardswish, torch.tanh, Tensor.tanh, torch.sigmoid,
                         Tensor.sigmoid, torch.erf, Tensor.erf})
"""Functions of each element by itself that bend a line."""
_BY_ELEMENTS = ACTIVATIONS | {
    torch.pow, Tensor.pow, Tensor.__pow__, torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.div,
    Tensor.div, Tensor.__truediv__, torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__}
# Moving values about is linear with ones and zeros: the plain backward is the rule.
SHAPING = frozenset({
    Tensor.view, Tensor.reshape, torch.reshape, Tensor.permute, torch.permute, Tensor.transpose, torch.transpose,
    Tensor.contiguous, Tensor.__getitem__, Tensor.expand, Tensor.unsqueeze, torch.unsqueeze, Tensor.squeeze,
    torch.squeeze, Tensor.flatten, torch.flatten, Tensor.clone, Tensor.to, Tensor.float, Tensor.double, torch.cat,
    Tensor.view_as, Tensor.chunk, torch.chunk, Tensor.split, torch.split, Tensor.unbind, torch.unbind,
    Tensor.requires_grad_, Tensor.index_select, torch.index_select, torch.gather, Tensor.gather, Tensor.type, Tensor.t,
    torch.t, _F.pad, torch.roll, Tensor.roll, torch.where, Tensor.where, torch.masked_fill, Tensor.masked_fill,
    torch.broadcast_to, Tensor.broadcast_to, *(getattr(Tensor, name).__get__ for name in ("T", "mT")),
})
