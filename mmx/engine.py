"""From encoded inputs to raw scores: one forward, then every method on what it left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from mmx.arrays import Bool, Float, Int
from mmx.asking import Asking
from mmx.capture import (
    Again,
    Capture,
    Chosen,
    ForwardPass,
    LayerScores,
    Outputs,
    Places,
    capture_items,
    run_forward,
)
from mmx.capture.lrp import AT_EMBEDDINGS, RULE_SETS, RuleMode
from mmx.capture.lrp_sets import MissingRuleError
from mmx.devices import free_memory
from mmx.errors import CaptureError, UndefinedError, UsageError
from mmx.families.base import LEVELS, TOKENS, Family
from mmx.methods.base import Method
from mmx.schedule import Schedule, Site, sites_of
from mmx.wiring import (
    Inputs,
    handed_out,
    hideable,
    readouts,
    run,
    run_without,
    schedule_from,
    valid_tokens,
    without_content,
)

# What a backward keeps of the output of each attention: its gradient, and those on the way of one layer.
_COPIES = 3
# On the CPU a backward of several large targets at once is slower than one after another: it misses every cache.
_CPU_BYTES = 2**28
# What a layer makes on its way, beside what leaves it.
_COPIES_OF_STATES = 12
# Alterations that run together; of two towers each one's pictures meet all texts.
_MOST_RUNS = 64

Scores = dict[str, dict[str, Float[Tensor, "items _tokens"]]]
"""method name → stream → scores"""


@dataclass(frozen=True)
class Described:
    """A model as the engine takes it: the network, its family's table, and what it can be asked."""

    network: PreTrainedModel
    family: Family
    asking: Asking

    def schedule(self, start_layers: Mapping[str, int]) -> Schedule:
        """The sites that are read; see `schedule_from`."""
        return schedule_from(self.family, self.network.config, start_layers, self.asking.subject.name)

    def run(self, inputs: Inputs, target: object = None) -> Outputs:
        """As much of a forward as it takes to explain the target."""
        return run(self.network, self.family, inputs, self.asking.arguments(inputs, target))

    def at(self, level: str | None, score: str | None = None) -> "Described":
        """The same where scores of pictures are read at a level of the family's, and such a score is explained.

        Raises:
            UsageError: the family has no such level, or its models no such score.
        """
        if level in (None, TOKENS) and score is None:
            return self
        name = self.asking.subject.name
        try:
            family = self.family.at(level or TOKENS)
        except ValueError as error:
            raise UsageError(f"{name} has no level '{level}'.", f"Take one of {', '.join(LEVELS)}." if self.family.tower
                             else "Leave it out: its scores of pictures are those of patches.") from error
        return replace(self, family=family, asking=self.asking.explaining(score))


@dataclass(frozen=True)
class Attribution:
    """What every method says.

    Attributes:
        scores: by method and stream; without the methods that were left out.
        outputs: what the model gave, detached.
        chosen: the items.
        left_out: methods that cannot run on this model, each with the reason.
        notes: what methods tell of each item, by their names.
    """

    scores: Scores
    outputs: Outputs
    chosen: Chosen
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)


@torch.inference_mode(False)  # which enables gradients as well, whatever the caller has disabled
def attribute(
    model: Described,
    inputs: Inputs,
    methods: Sequence[Method],
    target: object = None,
    *,
    ignore_padding: bool = False,
    seeds: Sequence[int] | None = None,
    max_memory: int | None = None,
    start_layers: Mapping[str, int] | None = None,
    checkpoint: bool = False,
) -> Attribution:
    """Scores of every method, out of one forward, at most one backward and at most one by each set of LRP rules.

    Those that need further passes run the model again.

    Args:
        inputs: what the model's forward takes, batched, on its device and in its dtype.
        target: what is explained, in the terms of its kind of score; None is the model's own prediction.
        ignore_padding: whether padded tokens are left out altogether (the reference counts them).
        seeds: a number for each sample that the random control is drawn from; its place in the batch by default.
        max_memory: bytes that gradients may take. Where one sample has more targets than fit, they take several
            backwards. By default 256 MiB on the CPU and half of what is free on a GPU.
        start_layers: the first layer that is read, by stream; see `Family.start_layers`.
        checkpoint: layers run again in every backward instead of keeping what they make: less memory, more time.

    Raises:
        CaptureError: the maps are not what the family's table says, or none of the methods can run on this model.
    """
    family, schedule = model.family, model.schedule(start_layers or {})
    gradient_sites, lrp_sites = (_sites(methods, need, schedule, family) for need in ("gradient", "lrp"))
    states = _any_needs(methods, "states", "further passes", "layer scores", *AT_EMBEDDINGS)
    sets = [name for name in RULE_SETS if _any_needs(methods, name)]
    rules = RuleMode(sets, conserve_in_linear=family.reference.conserve_in_linear) if sets else None
    in_graph = bool(gradient_sites or sets or _any_needs(methods, "states", "layer scores"))
    passed = run_forward(model.network, schedule, family.roots, lambda: model.run(inputs, target),
                         in_graph=in_graph, rules=rules, checkpoint=checkpoint, states=states, inputs=inputs)
    chosen = model.asking.choose(passed.outputs, target)
    sizes = passed.sizes
    valid = valid_tokens(family, family.completed(inputs), passed.outputs, sizes) if ignore_padding else {}
    seeds = range(len(passed.outputs["logits"])) if seeds is None else seeds
    allowed = max_memory if max_memory is not None else _default_memory(chosen.samples.device)
    folded = _bytes_folded(passed)
    keep = folded <= allowed
    everywhere = _any_needs(methods, "layer scores", *AT_EMBEDDINGS)
    reached = sites_of(schedule) if everywhere else (*gradient_sites, *lrp_sites)
    a_turn = _bytes_a_turn(passed, reached) + (folded if keep else 0)
    chunks = _chunks(chosen.places, a_turn, allowed)
    explained = [chosen] if len(chunks) == 1 else [chosen[items] for items in chunks]
    work = _Work(model, inputs, passed, schedule, _padded_streams(valid), seeds, sizes, keep,
                 model.asking.arguments(inputs, target), allowed)
    parts: list[Scores] = []
    left_out: dict[str, str] = {}
    for number, some in enumerate(explained, 1):
        last = number == len(explained)
        while len(parts) < number:
            try:
                parts.append(work.scores(some, methods, last))
            except MissingRuleError as error:
                left_out |= {method.name: error.message for method in methods if error.rule_set in method.needs}
                methods = [method for method in methods if method.name not in left_out]
                if not methods:
                    raise
    left_out |= work.left_out
    methods = [method for method in methods if method.name not in left_out]
    if not methods:
        raise CaptureError(next(iter(left_out.values())))
    return Attribution({method.name: _joined([part[method.name] for part in parts], chunks) for method in methods},
                       {name: value.detach() for name, value in passed.outputs.items()}, chosen, left_out,
                       {name: _in_order([part[name] for part in work.notes], chunks)
                        for name in next(reversed(work.notes), ())})


@dataclass(frozen=True)
class _Work:
    """One forward, of which items are explained in turns."""

    model: Described
    inputs: Inputs
    passed: ForwardPass
    schedule: Schedule
    valid: Mapping[str, Bool[Tensor, "_batch _tokens"]]
    seeds: Sequence[int]
    sizes: Mapping[str, int]
    keep: bool
    arguments: Mapping[str, Any]
    allowed: int
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[Mapping[str, Sequence[str]]] = field(default_factory=list)

    def scores(self, chosen: Chosen, methods: Sequence[Method], last: bool) -> Scores:
        family, config = self.model.family, self.model.network.config
        read = readouts(family, self.inputs, self.passed.outputs, chosen, self.sizes, config)
        scores_layers = _any_needs(methods, "layer scores")
        captured: Capture = capture_items(
            self.passed, self.schedule, chosen, read, valid=self.valid, seeds=self.seeds,
            gradient_sites=_sites(methods, "gradient", self.schedule, family),
            lrp_sites=_sites(methods, "lrp", self.schedule, family), reference=family.reference, keep=self.keep,
            last=last and not scores_layers, states=_any_needs(methods, "states"),
            rule_sets=[name for name in AT_EMBEDDINGS if _any_needs(methods, name)])
        again = self._again(chosen) if _any_needs(methods, "further passes", "layer scores") else None
        captured = replace(captured, again=again, samples={method.name: method.samples for method in methods})
        if again is not None and scores_layers:
            captured = replace(captured, of_layers=LayerScores(
                again, self.passed.mixed, self.passed.states, captured.maps, self.schedule,
                family.schedule(config), [one.stream for one in read], self.valid, self.passed.outputs, self.allowed))
        found: Scores = {}
        for method in methods:
            try:
                found[method.name] = self._handed_out(method, captured, chosen)
            except UndefinedError as error:
                self.left_out[method.name] = error.message
        self._check_finite(found)
        self.notes.append(captured.notes)
        return found

    def _again(self, chosen: Chosen) -> Again:
        network, family, passed = self.model.network, self.model.family, self.passed
        given = family.completed(self.inputs)
        states = {at.rows: state for at, state in passed.states.items() if at.site is None}
        a_run = _COPIES_OF_STATES * sum(map(_bytes_of, (one.value for one in passed.states.values())))
        made = {link.rows: _made(into, passed.sizes[link.rows], len(states[link.rows].tokens(states[link.rows].value)))
                for link, into in passed.links.items() if link.rows in states}
        return Again(network, family.roots, lambda some: run_without(network, family, some, self.arguments),
                     self.model.asking.parted, given, states, chosen,
                     max(1, min(_MOST_RUNS, self.allowed // max(a_run, _COPIES_OF_STATES * sum(
                         map(_bytes_of, given.values()))))),
                     hideable(network, family, given, passed.outputs, self.sizes),
                     lambda: without_content(family, given, passed.outputs, network.config), made)

    def _check_finite(self, found: Scores) -> None:
        """Read from the device once for all of them."""
        named = [(name, stream, scores) for name, streams in found.items() for stream, scores in streams.items()]
        for (name, stream, _), good in zip(named, _all_true([torch.isfinite(one[2]) for one in named]), strict=True):
            if not good:
                raise _not_finite(name, stream, self.model)

    def _handed_out(self, method: Method, captured: Capture,
                    chosen: Chosen) -> dict[str, Float[Tensor, "items _tokens"]]:
        rows = method.rows(captured)
        found = handed_out(self.model.family, rows, captured.readouts, self.inputs, self.schedule,
                           self.model.network.config, chosen)
        if not found:
            raise CaptureError(f"{method.name} gives no scores for {self.model.asking.subject.name}.")
        return found


def _any_needs(methods: Sequence[Method], *needs: str) -> bool:
    return any(need in needs for method in methods for need in method.needs)


def _all_true(several: Sequence[Bool[Tensor, "..."]]) -> list[bool]:
    return torch.stack([one.all() for one in several]).tolist() if several else []


def _not_finite(method: str, stream: str, model: Described) -> CaptureError:
    low = str(model.network.dtype).removeprefix("torch.")
    return CaptureError(f"The {stream} scores of {method} on {model.asking.subject.name} are not finite (NaN or "
                        f"infinite) in {low}.", 'Take `dtype="float32"`.' if low in ("float16", "bfloat16") else None)


def _sites(methods: Sequence[Method], need: str, schedule: Schedule, family: Family) -> tuple[Site, ...]:
    streams = [read.stream for read in family.reads]
    return tuple(dict.fromkeys(site for method in methods for site in method.sites(need, schedule, streams)))


def _padded_streams(valid: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the streams whose tokens all count: masking maps as large as a detector's costs a backward's fifth."""
    whole = _all_true(list(valid.values()))
    return {stream: mask for (stream, mask), all_count in zip(valid.items(), whole, strict=True) if not all_count}


def _bytes_a_turn(passed: ForwardPass, sites: Sequence[Site]) -> int:
    reached = [passed.mixed[site].reached for site in sites]
    return _COPIES * sum(one.numel() * one.element_size() for one in reached)


def _bytes_folded(passed: ForwardPass) -> int:
    """Of all maps with their heads in one, for one item of every sample."""
    shapes = [one.shape for one in passed.mixed.values()]
    return 4 * sum(batch * rows * cols for batch, _, rows, cols in shapes)


def _chunks(places: Places, bytes_a_turn: int, allowed: int) -> list[Int[Tensor, " _chunk"]]:
    """Items that go through one backward together, where not all do; one item of every sample makes a turn."""
    turns_at_once = max(1, allowed // max(1, bytes_a_turn))
    if places.turns and max(places.turns) < turns_at_once:
        return [torch.arange(len(places.turns), device=places.index.device)]
    chunk_of = [turn // turns_at_once for turn in places.turns]
    return [torch.tensor([item for item, one in enumerate(chunk_of) if one == number], device=places.index.device)
            for number in range(max(chunk_of, default=-1) + 1)]


def _default_memory(device: torch.device) -> int:
    free = free_memory(device)
    return _CPU_BYTES if free is None else free // 2


def _bytes_of(one: Tensor) -> int:
    return one.numel() * one.element_size()


def _made(into: Int[Tensor, "#entries cols"], size: int, entries: int) -> Bool[Tensor, "{entries} {size}"]:
    """The tokens that others become a part of."""
    found = torch.zeros(entries, size + 1, dtype=torch.bool, device=into.device)
    return found.scatter(1, torch.where(into < 0, size, into).expand(entries, -1), True)[:, :size]


def _in_order(parts: Sequence[Sequence[str]], chunks: Sequence[Int[Tensor, " _chunk"]]) -> list[str]:
    """What is told of the chunks, in the order of the items."""
    places = [place for chunk in chunks for place in chunk.tolist()]
    return [text for _, text in sorted(zip(places, (text for part in parts for text in part), strict=True))]


def _joined(parts: Sequence[Mapping[str, Float[Tensor, "_chunk _tokens"]]],
            chunks: Sequence[Int[Tensor, " _chunk"]]) -> dict[str, Float[Tensor, "items _tokens"]]:
    """The chunks' scores by stream, in the order of the items."""
    if len(parts) < 2:
        return dict(parts[0]) if parts else {}
    order = torch.cat(list(chunks)).argsort()
    return {stream: torch.cat([part[stream] for part in parts])[order] for stream in parts[0]}
