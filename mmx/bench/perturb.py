"""How fast the perturbation test runs, beside plain forwards of the same reduced inputs and beside one at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mmx.bench.subjects import Subject
from mmx.bench.tables import Printer, megabytes, ratio, seconds
from mmx.bench.timing import interleaved
from mmx.engine import attribute
from mmx.methods import Method
from mmx.perturbation.following import chosen_answers
from mmx.perturbation.forwards import Subsets
from mmx.perturbation.memory import samples_at_once, tokens_at_once
from mmx.perturbation.protocol import MODALITIES, SIGNS, RemovalProtocol, protocol_named
from mmx.perturbation.removal import Removal
from mmx.studies.perturb.combinations import Combinations, joined

_SINGLE = "one at a time"


@dataclass(frozen=True)
class Work:
    """All methods, signs and modalities on the samples of one batch of encoded inputs."""

    subject: Subject
    removal: Removal
    protocol: RemovalProtocol
    methods: tuple[Method, ...]

    @cached_property
    def combinations(self) -> Combinations:
        return Combinations(self.protocol, MODALITIES, SIGNS, tokens_at_once(self.removal.network))

    @cached_property
    def samples(self) -> int:
        return len(self.subject.inputs["input_ids"])

    def sample(self, start: int, end: int) -> dict[str, Tensor]:
        return {name: values[start:end] for name, values in self.subject.inputs.items()}

    def captured(self, inputs: Mapping[str, Tensor], methods: Sequence[Method], first: int) -> tuple:
        seeds = range(first, first + len(inputs["input_ids"]))
        found = attribute(self.subject.model, inputs, methods, ignore_padding=True, seeds=seeds)
        return found.scores, found.outputs["logits"].argmax(dim=1), seeds

    def as_mmx_does(self) -> None:
        size = samples_at_once(self.removal.network)
        for start in range(0, self.samples, size):
            inputs = self.sample(start, start + size)
            scores, answers, seeds = self.captured(inputs, self.methods, start)
            followed = {"answers": chosen_answers(self.removal, answers)}
            self.combinations.follow(self.removal, inputs, scores, followed, seeds)

    def reduced_inputs(self) -> Subsets:
        """Everything that is run after the captures, equal inputs as often as they come."""
        parts = self.removal.parts(self.subject.inputs)
        scores, _, seeds = self.captured(self.subject.inputs, self.methods, 0)
        return joined(self.combinations.kept(scores, parts, seeds), parts)

    @torch.inference_mode()
    def one_by_one(self) -> None:
        """The first sample, a method, modality, sign and step at a time, each method with a capture of its own."""
        inputs = self.sample(0, 1)
        parts = self.removal.parts(inputs)
        for method in self.methods:
            scores, _, seeds = self.captured(inputs, [method], 0)
            subsets = joined(self.combinations.kept(scores, parts, seeds), parts)
            for row in torch.arange(len(subsets), device=subsets.samples.device).split(1):
                self._forward(inputs, subsets[row])

    @torch.inference_mode()
    def plain_forwards(self, wanted: Subsets, rows_at_once: int) -> None:
        """Reduced inputs of similar length together, `rows_at_once` of them in a forward."""
        for rows in torch.arange(len(wanted), device=wanted.samples.device).split(rows_at_once):
            self._forward(self.subject.inputs, wanted[rows])

    def _forward(self, inputs: Mapping[str, Tensor], rows: Subsets) -> None:
        sizes = {name: max(1, int(mask.sum(dim=1).max())) for name, mask in rows.kept.items()}
        reduced = self.removal.reduced(inputs, rows.samples, rows.kept, sizes)
        self.removal.run(reduced)["logits"].argmax(dim=1).tolist()


def bench_perturb(subject: Subject, methods: tuple[Method, ...], rounds: int, device: str, protocol: str,
                  rows_at_once: Sequence[int], printer: Printer) -> None:
    """Prints samples a second, memory and their ratios, out of one interleaved run."""
    removal = Removal(subject.model.network, subject.model.family)
    work = Work(subject, removal, protocol_named(protocol, removal.reference), methods)
    everything = work.reduced_inputs()
    wanted = _sorted_by_length(everything.distinct()[0])
    forwards = {f"plain forwards, {rows} at once": rows for rows in rows_at_once}
    measured = interleaved({
        "mmx": work.as_mmx_does, _SINGLE: work.one_by_one,
        **{name: lambda rows=rows: work.plain_forwards(wanted, rows) for name, rows in forwards.items()},
    }, rounds, device).measured
    samples = {name: 1 if name == _SINGLE else work.samples for name in measured}
    rates = {name: samples[name] / one.median for name, one in measured.items()}
    best = max((rates[name], name) for name in forwards)[1]
    printer.table(
        [f"{subject.name}, {protocol}, {len(methods)} methods", "samples a s, max", "median", "÷ best plain",
         "÷ one at a time", "MB", "MB ÷ best plain"],
        [[name, seconds(samples[name] / one.least), seconds(rates[name]), ratio(rates[name], rates[best]),
          ratio(rates[name], rates[_SINGLE]), megabytes(one.peak_bytes),
          ratio(one.peak_bytes, measured[best].peak_bytes)] for name, one in measured.items()])
    printer.line(f"{len(everything) / work.samples:.0f} reduced inputs a sample, "
                 f"{len(wanted) / work.samples:.0f} of them distinct")


def _sorted_by_length(subsets: Subsets) -> Subsets:
    words, regions = (subsets.kept[name].sum(dim=1) for name in ("text", "image"))
    return subsets[(regions * (1 + int(words.max())) + words).argsort(descending=True, stable=True)]
