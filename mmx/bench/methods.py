"""What each method takes alone, in floors, and what those take together that share passes: as `Method.floors` tells."""

from collections.abc import Callable, Sequence

import torch

from mmx.bench.cases import CASES, Published
from mmx.bench.floor import floor
from mmx.bench.subjects import Subject
from mmx.bench.tables import Printer, megabytes, ratio, ratios, seconds
from mmx.bench.timing import interleaved
from mmx.engine import attribute
from mmx.methods import Method, left_out_notes

ON = ((Published.VIT, 224), (Published.DECODER, 500), (Published.CLIP, 1), (Published.LXMERT, 1))
"""Where methods are measured: each on the first that it is defined on."""
_FLOOR, _TOGETHER = "floor, SDPA", "all that share passes"
_COLUMNS = ("kind", "s, min", "s, median", "÷ floor", "MB", "÷ floor")


def bench_methods(methods: Sequence[Method], rounds: int, device: str, printer: Printer) -> None:
    """One interleaved run for each subject that a method is first defined on."""
    left = list(methods)
    for name, size in ON:
        if not left:
            break
        torch.manual_seed(0)
        subject = CASES[name].subject(size).on(device)
        here = [method for method in left if subject.takes(method)]
        sharing = [method for method in methods if method.shares_passes and subject.takes(method)]
        if here:
            _measure(subject, here, sharing, rounds, device, printer)
        left = [method for method in left if method not in here]
    if left:
        printer.line(f"not measured, for they are defined on none of these: {', '.join(one.name for one in left)}")


def _measure(subject: Subject, methods: Sequence[Method], sharing: Sequence[Method], rounds: int, device: str,
             printer: Printer) -> None:
    left_out: dict[str, str] = {}

    def explaining(*several: Method) -> Callable[[], object]:
        def task() -> None:
            left_out.update(attribute(subject.model, subject.inputs, several, subject.target,
                                      start_layers=subject.start_layers).left_out)
        return task

    tasks: dict[str, Callable[[], object]] = {_FLOOR: lambda: floor(subject)}
    tasks |= {method.name: explaining(method) for method in methods}
    if len(sharing) > 1:
        tasks[_TOGETHER] = explaining(*sharing)
    run = interleaved(tasks, rounds, device)
    least, kinds = run.measured[_FLOOR], {method.name: method.kind for method in methods}
    printer.table([subject.name, *_COLUMNS], [
        [name, kinds.get(name, str(len(sharing)) if name == _TOGETHER else ""), seconds(one.least), seconds(one.median),
         ratios(one, least), megabytes(one.peak_bytes), ratio(one.peak_bytes, least.peak_bytes)]
        for name, one in run.measured.items()])
    for note in left_out_notes({**run.failed, **left_out}):
        printer.line(f"{subject.name.partition(',')[0]}: {note}")
