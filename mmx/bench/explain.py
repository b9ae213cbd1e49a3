"""How long explanations take and what they hold, beside the floor in SDPA and in eager attention."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from mmx.bench.floor import floor, has_sdpa, plain_forward, shares_samples
from mmx.bench.subjects import Subject
from mmx.bench.tables import Printer, megabytes, ratio, ratios, seconds, straight_line
from mmx.bench.timing import Measured, interleaved
from mmx.engine import attribute
from mmx.methods import Method, left_out_notes
from mmx.schedule import sites_of

_FLOOR, _ONE_BY_ONE, _TOGETHER = "floor, {}", "floor, {}, one by one", "all methods together"
_COLUMNS = ("s, min", "s, median", "÷ SDPA", "÷ eager", "MB", "MB ÷ SDPA", "MB ÷ eager")
# An eager floor whose maps, each of them held twice, take more than this is not measured.
_CPU_BYTES = 6e9


@dataclass
class Explained:
    """Measures subjects and prints a table of each.

    Attributes:
        each: methods that are measured one by one.
        together: methods that are measured out of one capture.
        peaks: what was held, by row and then by tokens, for the lines through it.
    """

    each: Sequence[Method]
    together: Sequence[Method]
    rounds: int
    device: str
    printer: Printer
    peaks: dict[str, dict[int, int]] = field(default_factory=dict)

    def measure(self, subject: Subject) -> None:
        """One interleaved run of the floors and the methods on one subject."""
        left_out: dict[str, str] = {}

        def explaining(*methods: Method) -> Callable[[], object]:
            def task() -> None:
                left_out.update(attribute(subject.model, subject.inputs, methods, subject.target,
                                          start_layers=subject.start_layers).left_out)
            return task

        tasks: dict[str, Callable[[], object]] = {"plain forward": lambda: plain_forward(subject)}
        tasks |= self._floors(subject)
        tasks |= {method.name: explaining(method) for method in filter(subject.takes, self.each)}
        together = [*filter(subject.takes, self.together)]
        if len(together) > 1:
            tasks[_TOGETHER] = explaining(*together)
        run = interleaved(tasks, self.rounds, self.device)
        self._print(subject, run.measured)
        for note in left_out_notes({**run.failed, **left_out}):
            self.printer.line(f"{subject.name.partition(',')[0]}: {note}")

    def _floors(self, subject: Subject) -> dict[str, Callable[[], object]]:
        several = shares_samples(subject)
        found: dict[str, Callable[[], object]] = {_FLOOR.format("SDPA"): lambda: floor(subject)}
        if several:
            found[_ONE_BY_ONE.format("SDPA")] = lambda: floor(subject, batched=False)
        if not has_sdpa(subject.model.network):
            self.printer.line(f"{subject.name}: its class has no SDPA, so its floor is the one that it has.")
        elif _bytes_of_maps(subject) > self._most:
            self.printer.line(f"{subject.name}: no eager floor, whose maps alone take "
                              f"{_bytes_of_maps(subject) / 1e9:.0f} GB.")
        else:
            found[_FLOOR.format("eager")] = lambda: floor(subject, "eager")
            if several:
                found[_ONE_BY_ONE.format("eager")] = lambda: floor(subject, "eager", batched=False)
        return found

    @property
    def _most(self) -> float:
        return torch.cuda.mem_get_info()[0] / 2 if self.device.startswith("cuda") else _CPU_BYTES

    def _print(self, subject: Subject, measured: dict[str, Measured]) -> None:
        least = [_fastest(measured, mixing) for mixing in ("SDPA", "eager")]
        rows = []
        for name, one in measured.items():
            times = [ratios(one, floor) for floor in least]
            sizes = [ratio(one.peak_bytes, floor and floor.peak_bytes) for floor in least]
            rows.append([name, seconds(one.least), seconds(one.median), *times, megabytes(one.peak_bytes), *sizes])
            if one.peak_bytes is not None:
                self.peaks.setdefault(name, {})[subject.tokens] = one.peak_bytes
        self.printer.table([subject.name, *_COLUMNS], rows)

    def print_lines(self, name: str) -> None:
        """Memory against tokens, of what was measured at three sizes or more; forgets them."""
        rows = []
        for row, by_tokens in self.peaks.items():
            if len(by_tokens) > 2:
                slope, fits = straight_line([*by_tokens], [*by_tokens.values()])
                rows.append([row, f"{min(by_tokens):,} to {max(by_tokens):,}", megabytes(1000 * slope), f"{fits:.4f}"])
        if rows:
            self.printer.table([f"{name}: a line through memory", "tokens", "MB a 1,000 tokens", "r²"], rows)
        self.peaks.clear()


def _fastest(measured: dict[str, Measured], mixing: str) -> Measured | None:
    """A floor is the faster one, batched or one by one."""
    found = [measured[name] for one in (_FLOOR, _ONE_BY_ONE) if (name := one.format(mixing)) in measured]
    return min(found, key=lambda one: one.least) if found else None


def _bytes_of_maps(subject: Subject) -> float:
    """Of a subject whose streams all have as many tokens as its longest, an overestimate."""
    config = subject.model.network.config
    heads = getattr(getattr(config, "vision_config", config), "num_attention_heads", 8)
    batch = len(next(iter(subject.inputs.values())))
    return 2 * 4 * batch * heads * subject.tokens**2 * len(sites_of(subject.model.schedule(subject.start_layers)))
