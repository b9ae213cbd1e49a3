"""States of tokens: the embeddings at which the graph begins, and what leaves each layer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mmx.arrays import Float
from mmx.capture.choice import Places
from mmx.capture.modules import layers_around, submodule
from mmx.capture.windows import Windows
from mmx.errors import CaptureError
from mmx.schedule import Schedule, Site, layers_of, sites_of

Alter = Callable[[str, Tensor], Tensor]
"""From a stream and its embeddings, as its root gives them, to others in their place."""


@dataclass(frozen=True)
class At:
    """Where states are taken: of a stream, behind the layer of a site or before it, or without one, at its root."""

    rows: str
    site: Site | None = None
    reaches_target: bool = False
    before: bool = False


@dataclass(frozen=True)
class State:
    """The states of a stream's tokens as a module gives them, in the graph where one was asked for.

    Attributes:
        value: (batch, tokens, width), perhaps each window by itself or all in a row; or a picture, (batch, width, rows,
            columns).
        size: tokens of the stream.
        windows: where its tokens attend to their own window alone.
        given: what the module gave, where `value` is the first part of that.
    """

    value: Tensor
    size: int
    windows: Windows | None = None
    given: tuple | list | None = None

    @property
    def in_graph(self) -> tuple[Tensor, ...]:
        return (self.value,)

    @property
    def width(self) -> int:
        return self.value.shape[1 if self.value.dim() == 4 else -1]

    def tokens(self, values: Tensor) -> Float[Tensor, "*turns batch {self.size} {self.width}"]:
        """What belongs to the module's numbers, perhaps of several turns, as that of tokens in the stream's order."""
        turns = values.shape[:values.dim() - self.value.dim()]
        if self.value.dim() == 4:
            return values.flatten(-2).mT
        windows = self.windows
        if windows is not None and self.value.dim() == 3 and self.value.shape[1] != self.size:
            joined = windows.joined(values.flatten(0, -3).mT).mT
            return joined.reshape(*turns, -1, *joined.shape[1:])
        return values.reshape(*turns, -1, self.size, self.width)

    def module_form(self, tokens: Float[Tensor, "batch tokens width"]) -> Tensor:
        """The way back: as the module would give them."""
        if self.value.dim() == 4:
            return tokens.mT.unflatten(-1, self.value.shape[2:])
        if self.windows is not None and self.value.dim() == 3 and self.value.shape[1] != self.size:
            return self.windows.split(tokens.mT).mT
        return tokens.reshape(-1, *self.value.shape[1:]) if self.value.dim() == 3 else tokens.flatten(0, 1)

    def given_with(self, value: Tensor) -> Any:
        """What the module gave, with others in the place of its states."""
        return value if self.given is None else type(self.given)([value, *self.given[1:]])

    def of_items(self, gradients: list[Tensor], places: Places, batched: bool) -> Float[Tensor, "items tokens width"]:
        """The gradient of each item, of that of each turn where several were `batched`."""
        [gradient] = map(self.tokens, gradients)
        if batched:
            return gradient[places.turn_index, places.index]
        return gradient if places.are_all(len(gradient)) else gradient[places.index]


@dataclass(frozen=True)
class TokenStates:
    """What a stream's tokens are somewhere, and what the explained score makes of it.

    Attributes:
        value: of one item where all are of the same sample.
        gradient: d score / d value; None where no path leads from there to the score.
    """

    value: Float[Tensor, "#items tokens width"]
    gradient: Float[Tensor, "items tokens width"] | None = None


@dataclass
class Kept:
    """What modules gave: by stream at its root, and by the name of a layer, as what it was given."""

    roots: dict[str, Tensor] = field(default_factory=dict)
    layers: dict[str, Tensor | tuple | list] = field(default_factory=dict)
    before: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def beginning(network: nn.Module, roots: Mapping[str, str], kept: Kept, alter: Alter | None = None) -> Iterator[None]:
    """Inside, the graph begins at the roots, whose embeddings are kept.

    Args:
        roots: by stream, "module", at its (first) output, or "module:argument", at what it is given under a name.
        alter: what is given on in the place of the embeddings.
    """
    handles = [_beginning_at(network, stream, root, kept, alter) for stream, root in roots.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _beginning_at(network: nn.Module, stream: str, root: str, kept: Kept, alter: Alter | None) -> Any:
    name, _, argument = root.partition(":")

    def begun(values: Tensor) -> Tensor:
        found = values if alter is None else alter(stream, values)
        if torch.is_grad_enabled() and not found.requires_grad:
            found.requires_grad_()
        kept.roots[stream] = found
        return found

    def at_output(_module: nn.Module, _inputs: tuple, output: Any) -> Any:
        if isinstance(output, Tensor):
            return begun(output)
        return type(output)([begun(output[0]), *output[1:]]) if type(output) in (tuple, list) else begun_inside(output)

    def begun_inside(output: Any) -> Any:
        begun(output[0])
        return output

    def at_argument(_module: nn.Module, args: tuple, given: dict) -> tuple[tuple, dict]:
        if argument not in given:
            raise CaptureError(f"{name} was not given {argument} by name, so the graph cannot start there.")
        return args, given | {argument: begun(given[argument])}

    module = submodule(network, name)
    if argument:
        return module.register_forward_pre_hook(at_argument, with_kwargs=True)
    return module.register_forward_hook(at_output)


@contextmanager
def keeping_layers(network: nn.Module, schedule: Schedule, kept: Kept) -> Iterator[None]:
    """Inside, what enters and what leaves the layers of the sites is kept."""
    names = set(layers_around(network, [site.module for site in sites_of(schedule)]).values())

    def keeping(name: str) -> Callable[[nn.Module, tuple, Any], None]:
        def hook(_module: nn.Module, _inputs: tuple, output: Any) -> None:
            first = output if isinstance(output, Tensor) else output[0] if isinstance(output, (tuple, list)) else None
            if isinstance(first, Tensor):
                kept.layers[name] = output

        return hook

    def keeping_given(name: str) -> Callable[[nn.Module, tuple, dict], None]:
        def hook(_module: nn.Module, args: tuple, given: dict) -> None:
            first = args[0] if args else given.get("hidden_states")
            if isinstance(first, Tensor):
                kept.before[name] = first

        return hook

    handles = [handle for name in names for handle in (
        network.get_submodule(name).register_forward_hook(keeping(name)),
        network.get_submodule(name).register_forward_pre_hook(keeping_given(name), with_kwargs=True))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def states_of(network: nn.Module, schedule: Schedule, kept: Kept, sizes: Mapping[str, int],
              windows: Mapping[Site, Windows | None]) -> dict[At, State]:
    """What was kept, where it is the states of a stream's tokens: of a layer, where one stream alone runs through it.

    Args:
        sizes: tokens of each stream.
        windows: of each site.
    """
    found = {At(stream): State(value, sizes[stream], _first_windows(schedule, stream, windows))
             for stream, value in kept.roots.items() if stream in sizes}
    around = layers_around(network, [site.module for site in sites_of(schedule)])
    of_layer: dict[str, list[Site]] = {}
    for site in sites_of(schedule):
        of_layer.setdefault(around.get(site.module, ""), []).append(site)
    for layer, sites in of_layer.items():
        [site, *others] = sites
        if others or not site.is_self:
            continue
        if layer in kept.layers:
            output = kept.layers[layer]
            value, given = (output, None) if isinstance(output, Tensor) else (output[0], output)
            found[At(site.rows, site)] = State(value, sizes[site.rows], windows.get(site), given)
        if layer in kept.before:
            found[At(site.rows, site, before=True)] = State(kept.before[layer], sizes[site.rows], windows.get(site))
    return {at: state for at, state in found.items() if _fits(state)}


def _first_windows(schedule: Schedule, stream: str, windows: Mapping[Site, Windows | None]) -> Windows | None:
    return next((windows.get(site) for site in layers_of(schedule, stream)), None)


def _fits(state: State) -> bool:
    """Whether it can be told apart into tokens."""
    shape, windows = state.value.shape, state.windows
    if state.value.dim() == 4:
        return shape[2] * shape[3] == state.size
    if state.value.dim() == 2:
        return shape[0] % state.size == 0
    return state.value.dim() == 3 and (shape[1] == state.size or (
        windows is not None and shape[1] == windows.width and shape[0] % windows.count == 0))
