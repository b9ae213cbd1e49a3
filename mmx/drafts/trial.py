"""One forward of a network and one gradient: where attention is, what it begins with, and which rows are read."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from mmx.arrays import Float
from mmx.capture.attention import SDPA, mixed_by_sdpa
from mmx.capture.recording import mixing_by_sdpa
from mmx.errors import MmxError

_SOFTMAX = frozenset({torch.softmax, Tensor.softmax, nn.functional.softmax})
QUERY, _CLASS = 3, 1
"""Which object query and which class or text is the score of a trial."""


@dataclass(frozen=True)
class Seen:
    """One attention: the `call`-th of a module, and how many rows and columns its map has."""

    module: str
    call: int
    rows: int
    cols: int


@dataclass
class Trial:
    """What a forward did.

    Attributes:
        unread: modules with a softmax whose map none of their modules gives; `maps_left`: whether any softmax is left.
        outputs: name → what the model gave, where that is a tensor.
        arguments: what the forward was asked for beside its inputs.
    """

    seen: list[Seen] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    maps_left: bool = False
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    arguments: Mapping[str, bool] = field(default_factory=dict)
    _given: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    _left: list[tuple[str, tuple[Tensor, ...]]] = field(default_factory=list)
    _left_before: dict[str, int] = field(default_factory=dict)

    def root_of(self, layer: str) -> str | None:
        """The module that gave a layer what it begins with, or "module:argument"; None where it came from elsewhere."""
        states = next(iter(self._given[layer].values()), None)
        if states is None:
            return None
        for name, outputs in reversed(self._left[:self._left_before[layer]]):
            if outputs and _same(outputs[0], states):
                return name
        parts = layer.split(".")
        for end in range(1, len(parts)):
            around = ".".join(parts[:end])
            for argument, value in self._given.get(around, {}).items():
                if not argument.isdecimal() and _same(value, states):
                    return f"{around}:{argument}"
        return None


class _Watching(TorchFunctionMode):
    """Tells of SDPA's calls, and of maps that a softmax makes."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial, self.inside = trial, list[str]()
        self.maps: list[tuple[str, Tensor]] = []
        self._calls = Counter[str]()

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is SDPA:
            _, _, rows, cols = mixed_by_sdpa(output, *args, **(kwargs or {})).shape
            self.found(self.inside[-1], rows, cols)
        elif func in _SOFTMAX and output.dim() >= 3:
            self.maps.append((self.inside[-1], output))
        return output

    def found(self, name: str, rows: int, cols: int) -> None:
        self.trial.seen.append(Seen(name, self._calls[name], rows, cols))
        self._calls[name] += 1

    def enter(self, name: str, args: tuple, given: Mapping[str, Any]) -> None:
        self.inside.append(name)
        if name not in self.trial._given:
            named = {**{str(place): value for place, value in enumerate(args)}, **given}
            self.trial._given[name] = {key: value for key, value in named.items() if isinstance(value, Tensor)}
            self.trial._left_before[name] = len(self.trial._left)

    def leave(self, name: str, output: Any) -> None:
        self.inside.pop()
        self.trial._left.append((name, tensors_in(output)))
        map_ = output[1] if isinstance(output, tuple) and len(output) > 1 else output
        if not isinstance(map_, Tensor) or map_.dim() != 4:
            return
        waiting = [place for place, (_, made) in enumerate(self.maps) if _same(made, map_)]
        for place in waiting[:1]:
            self.maps.pop(place)
            self.found(name, *map_.shape[2:])


def tried(network: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Trial:
    """As the class gives more maps: by itself, or asked for them. Raises MmxError where the forward fails."""
    first = _tried(network, inputs, {})
    if not first.maps_left:
        return first
    with suppress(MmxError):
        return max(first, _tried(network, inputs, {"output_attentions": True}), key=lambda one: len(one.seen))
    return first


def _tried(network: PreTrainedModel, inputs: Mapping[str, Tensor], arguments: Mapping[str, bool]) -> Trial:
    trial = Trial(arguments=arguments)
    watching = _Watching(trial)
    with torch.no_grad(), _hooked(network, watching), watching:
        output = _forward(network, {**inputs, **arguments})
    trial.outputs = {name: value for name, value in output.items() if isinstance(value, Tensor)}
    trial.maps_left = bool(watching.maps)
    trial.unread = list(dict.fromkeys(name for name, made in watching.maps if made.dim() == 4))
    return trial


def rows_read(network: PreTrainedModel, inputs: Mapping[str, Tensor], score: str, states: Sequence[str],
              tokens: int) -> Float[Tensor, " tokens"] | None:
    """How much an entry of the output `score` depends on each row of the state of so many tokens that the last of these
    modules gives, in shares; None where it does not depend on it, or cannot be differentiated.
    """
    found: list[Tensor] = []

    def take(_module: nn.Module, _inputs: tuple, output: Any) -> None:
        for one in tensors_in(output):
            if one.is_floating_point() and one.dim() == 3 and one.shape[1] == tokens:
                found.append(one if one.requires_grad else one.requires_grad_())
                return

    handles = [network.get_submodule(name).register_forward_hook(take) for name in states]
    try:
        with torch.enable_grad():
            value = _forward(network, inputs)[score][0]
            value = (value[min(QUERY, len(value) - 1)] if value.dim() > 1 else value).flatten()
            value = value[min(_CLASS, len(value) - 1)]
            [gradient] = torch.autograd.grad(value, found[-1:], allow_unused=True)
    except (RuntimeError, ValueError, MmxError):  # whatever changes a state in its place, or has none
        return None
    finally:
        for handle in handles:
            handle.remove()
    if gradient is None or not gradient.any():
        return None
    weights = gradient[0].norm(dim=-1)
    return weights / weights.sum()


def tensors_in(output: Any) -> tuple[Tensor, ...]:
    several = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else (output,)
    return tuple(one for one in several if isinstance(one, Tensor))


def layer_around(name: str) -> str | None:
    """The layer that a module is in: the innermost that has a number for a name."""
    parts = name.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
    return ".".join(parts[:numbers[-1] + 1]) if numbers else None


def _forward(network: PreTrainedModel, inputs: Mapping[str, Tensor | bool]) -> Any:
    modules = [module for module in network.modules() if isinstance(module, nn.MultiheadAttention)]
    try:
        with mixing_by_sdpa(network, modules):
            return network(**inputs, return_dict=True)
    except Exception as error:  # whatever a class may raise that wants more than this
        told = " ".join(str(error).split())[:200]
        raise MmxError(f"{type(network).__name__} fails on {', '.join(inputs)}: {type(error).__name__}: {told}.",
                       "Write its table by hand: docs/add-a-family.md.") from error


@contextmanager
def _hooked(network: nn.Module, watching: _Watching) -> Iterator[None]:
    handles = []
    for name, module in network.named_modules():
        handles += [
            module.register_forward_pre_hook(lambda _module, args, given, name=name: watching.enter(name, args, given),
                                             with_kwargs=True),
            module.register_forward_hook(lambda _module, _inputs, output, name=name: watching.leave(name, output))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _same(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
