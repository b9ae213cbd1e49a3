"""How long explanations take beside the floor: one plain forward and the backwards through activations alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from rich import print as show
from rich.table import Table
from torch import Tensor, nn

from mmx.bench.models import Subject
from mmx.bench.timing import interleaved
from mmx.engine import attribute
from mmx.methods import Method, all_methods


@contextmanager
def _roots(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Where the graph starts, by the family's own names: gradients flow no further down."""
    found: dict[str, Tensor] = {}

    def starting(root: str, argument: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: tuple, seen: Any) -> None:
            found[root] = (seen[argument] if argument else seen).requires_grad_()

        return hook

    hooks = []
    for root in subject.model.family.roots:
        name, _, argument = root.partition(":")
        module = subject.model.network.get_submodule(name)
        if argument:
            hooks.append(module.register_forward_pre_hook(starting(root, argument), with_kwargs=True))
        else:
            hooks.append(module.register_forward_hook(starting(root, "")))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def floor(subject: Subject) -> None:
    """The least that any method with a gradient must do: each explained score's gradient at the graph's roots."""
    with _roots(subject) as roots:
        outputs = subject.model.run(subject.inputs)
    for scores, names in subject.backwards(outputs):
        torch.autograd.grad(scores, [roots[name] for name in names or roots], retain_graph=True)


@torch.no_grad()
def plain_forward(subject: Subject) -> None:
    subject.model.run(subject.inputs)


def bench_explain(subject: Subject, rounds: int, device: str, methods: tuple[Method, ...] = ()) -> None:
    """Prints seconds and their ratio to the floor: each method alone, and all of them out of one capture."""
    def run(*names: Method) -> Callable[[], object]:
        return lambda: attribute(subject.model, subject.inputs, names, subject.target,
                                 start_layers=subject.start_layers)

    methods = methods or tuple(all_methods())
    tasks: dict[str, Callable[[], object]] = {"floor": lambda: floor(subject),
                                              "plain forward": lambda: plain_forward(subject)}
    tasks |= {method.name: run(method) for method in methods}
    if len(methods) > 1:
        tasks["all methods together"] = run(*methods)
    seconds = interleaved(tasks, rounds, device)
    table = Table(subject.name, "seconds", "÷ floor", box=None, padding=(0, 3, 0, 0))
    for name, taken in seconds.items():
        table.add_row(name, f"{taken:.3f}", f"{taken / seconds['floor']:.2f}")
    show(table)
