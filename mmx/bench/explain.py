"""How long explanations take beside the floor: one plain forward and one backward through the activations."""

from collections.abc import Callable

import torch
from rich.table import Table

from mmx.bench.models import Subject
from mmx.bench.timing import interleaved
from mmx.cli.output import print_result
from mmx.engine import attribute
from mmx.methods import all_methods


def floor(subject: Subject) -> None:
    """The least that any method with a gradient must do: the predicted score's gradient at the graph's roots."""
    roots: list[torch.Tensor] = []
    hooks = [subject.network.get_submodule(name).register_forward_hook(
        lambda _module, _inputs, output: roots.append(output.requires_grad_()))
        for name in subject.family.graph_roots]
    try:
        logits = subject.family.run(subject.network, subject.inputs)["logits"]
    finally:
        for hook in hooks:
            hook.remove()
    torch.autograd.grad(logits.max(dim=1).values.sum(), roots)


@torch.no_grad()
def plain_forward(subject: Subject) -> None:
    subject.family.run(subject.network, subject.inputs)["logits"]


def bench_explain(subject: Subject, rounds: int, device: str) -> None:
    """Prints seconds and their ratio to the floor: each method alone, and all of them out of one capture."""
    def run(*methods) -> Callable[[], object]:
        return lambda: attribute(subject.network, subject.family, subject.inputs, methods)

    tasks: dict[str, Callable[[], object]] = {"floor": lambda: floor(subject),
                                              "plain forward": lambda: plain_forward(subject)}
    tasks |= {method.name: run(method) for method in all_methods()}
    tasks["all methods together"] = run(*all_methods())
    seconds = interleaved(tasks, rounds, device)
    batch = len(next(iter(subject.inputs.values())))
    table = Table(f"{subject.name}, batch {batch}", "seconds", "÷ floor", box=None, padding=(0, 3, 0, 0))
    for name, taken in seconds.items():
        table.add_row(name, f"{taken:.3f}", f"{taken / seconds['floor']:.2f}")
    print_result(table)
