"""Modules of a network by the names that families give them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from mmx.errors import CaptureError


def submodule(network: nn.Module, name: str) -> nn.Module:
    """The module of this name, or of the first that is there of "name|older name"."""
    return network.get_submodule(found_name(network, name))


def found_name(network: nn.Module, name: str) -> str:
    """The name itself, or the first of "name|older name" that is there. Raises CaptureError where none is."""
    for one in name.split("|"):
        try:
            network.get_submodule(one)
        except AttributeError:
            continue
        return one
    raise CaptureError(f"{type(network).__name__} has no module {name.replace('|', ' or ')}.",
                       "The checkpoint is not of the family that its config names.")


def layers_around(network: nn.Module, names: Iterable[str]) -> dict[str, str]:
    """By name of an attention, the layer that it is in: the innermost module around it that has a number for a name."""
    found = {}
    for name in names:
        parts = found_name(network, name).split(".")
        numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
        if numbers:
            found[name] = ".".join(parts[:numbers[-1] + 1])
    return found


@contextmanager
def in_the_place_of(network: nn.Module, forwards: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Inside, modules do something else in the place of their forward."""
    before = [(network.get_submodule(name), forward) for name, forward in forwards.items()]
    own = [vars(module).get("forward") for module, _ in before]
    try:
        for module, forward in before:
            module.forward = forward  # type: ignore[method-assign]
        yield
    finally:
        for (module, _), former in zip(before, own, strict=True):
            vars(module).pop("forward", None)
            if former is not None:
                module.forward = former  # type: ignore[method-assign]
