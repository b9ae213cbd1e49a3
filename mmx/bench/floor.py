"""The least that any method with a gradient must do: one plain forward, and the explained scores' gradients.

Parameters are frozen, so the backward goes through activations alone, and no further down than the family's roots.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mmx.bench.subjects import Subject
from mmx.capture.recording import mixing_by_sdpa

Mixing = Literal["SDPA", "eager"]


def floor(subject: Subject, mixing: Mixing = "SDPA", *, batched: bool = True) -> list[list[Tensor]]:
    """Gradients at the roots, of each backward in turn, (turns, *root): by one batched backward, or one by one."""
    with _mixing(subject.model.network, mixing), _roots(subject) as roots:
        outputs = subject.model.run(subject.inputs)
    found = []
    backwards = subject.backwards(outputs)
    for number, one in enumerate(backwards):
        reached = [roots[stream] for stream in one.streams or roots]
        last = number == len(backwards) - 1
        if batched and len(one.turns) > 1:
            found.append([*torch.autograd.grad(one.scores, reached, one.turns, is_grads_batched=True,
                                               retain_graph=not last)])
            continue
        each = [torch.autograd.grad(one.scores, reached, turn, retain_graph=not last or place < len(one.turns) - 1)
                for place, turn in enumerate(one.turns)]
        found.append([torch.stack(several) for several in zip(*each, strict=True)])
    return found


@torch.no_grad()
def plain_forward(subject: Subject, mixing: Mixing = "SDPA") -> None:
    with _mixing(subject.model.network, mixing):
        subject.model.run(subject.inputs)


def has_sdpa(network: nn.Module) -> bool:
    """Whether any of its classes can mix by SDPA; those that cannot have one floor."""
    return any(getattr(module, "_supports_sdpa", False) for module in network.modules())


def shares_samples(subject: Subject) -> bool:
    """Whether several scores are of one sample, so that a batched backward and one by one are two things."""
    with torch.no_grad():
        return any(len(one.turns) > 1 for one in subject.backwards(subject.model.run(subject.inputs)))


def _mixing(network: nn.Module, how: Mixing) -> AbstractContextManager[None]:
    return mixing_by_sdpa(network, ()) if how == "SDPA" else nullcontext()


@contextmanager
def _roots(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Where the graph starts, by stream: gradients flow no further down."""
    found: dict[str, Tensor] = {}

    def starting(stream: str, argument: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: tuple, seen: Any) -> None:
            found[stream] = (seen[argument] if argument else seen).requires_grad_()

        return hook

    hooks = []
    for stream, root in subject.model.family.roots.items():
        name, _, argument = root.partition(":")
        module = subject.model.network.get_submodule(name)
        if argument:
            hooks.append(module.register_forward_pre_hook(starting(stream, argument), with_kwargs=True))
        else:
            hooks.append(module.register_forward_hook(starting(stream, "")))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
