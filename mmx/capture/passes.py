"""One forward of a model, and what the explained scores make of its attention maps: the only calls of autograd."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mmx.arrays import Bool, Float, Int, Shaped
from mmx.capture.lrp import RuleMode
from mmx.capture.recording import recording
from mmx.errors import CaptureError
from mmx.reference import Reference
from mmx.schedule import Schedule, Site

Outputs = Mapping[str, Shaped[Tensor, "_batch ..."]]
"""What a forward gives: "logits", and what else a family reads."""


@dataclass(frozen=True)
class Chosen:
    """What is explained. An item is one (sample, target).

    Attributes:
        scores: the explained scores, in the graph.
        samples: the sample that each belongs to.
        positions: where in the readout's stream each is read; None where that follows from the inputs.
        entries: of a stream whose batch is not the samples' (CLIP's texts), which entry each item is.
        targets: which class, answer or text is explained.
    """

    scores: Float[Tensor, " items"]
    samples: Int[Tensor, " items"]
    positions: Int[Tensor, " items"] | None = None
    entries: Mapping[str, Int[Tensor, " items"]] = field(default_factory=dict)
    targets: Int[Tensor, " items"] | None = None

    def __getitem__(self, items: Int[Tensor, " fewer"]) -> "Chosen":
        return Chosen(self.scores[items], self.samples[items],
                      None if self.positions is None else self.positions[items],
                      {stream: entries[items] for stream, entries in self.entries.items()},
                      None if self.targets is None else self.targets[items])

    def entries_of(self, stream: str) -> Int[Tensor, " items"]:
        """Where in the batch of a stream's maps each item is."""
        return self.entries.get(stream, self.samples)


@dataclass(frozen=True)
class Readout:
    """Which row of a stream's relevance is read: the one at `index`, or a mean of rows by `weights`."""

    stream: str
    index: Int[Tensor, " items"]
    weights: Float[Tensor, " rows"] | None = None

    def unit(self, size: int, dtype: torch.dtype) -> Float[Tensor, "items 1 {size}"]:
        """The row vector that reads it."""
        if self.weights is not None:
            return self.weights.to(dtype).expand(len(self.index), 1, size)
        return torch.nn.functional.one_hot(self.index, size).to(dtype).unsqueeze(1)

    def take(self, matrix: Float[Tensor, "#items rows cols"]) -> Float[Tensor, "items cols"]:
        """That row of a matrix for each item."""
        if self.weights is not None:
            return (self.unit(matrix.shape[1], matrix.dtype) @ matrix).squeeze(1)
        matrix = matrix.expand(len(self.index), -1, -1)
        return matrix[torch.arange(len(self.index), device=matrix.device), self.index]


@dataclass(frozen=True)
class Capture:
    """What methods read. An item is one (sample, target); numbers are float32 at least.

    Attributes:
        attention, gradient, lrp: of each map by site; the latter two for the sites that were asked
            for and from which a path leads to the target.
        valid: the tokens that count, by stream.
        seeds: a number for each item, for what is random.
        reference: where the reference treats this family otherwise.
    """

    schedule: Schedule
    readouts: tuple[Readout, ...]
    sizes: Mapping[str, int]
    valid: Mapping[str, Bool[Tensor, "items _tokens"]]
    attention: Mapping[Site, Float[Tensor, "items _heads _rows _cols"]]
    gradient: Mapping[Site, Float[Tensor, "items _heads _rows _cols"]]
    lrp: Mapping[Site, Float[Tensor, "items _heads _rows _cols"]]
    seeds: Sequence[int]
    reference: Reference = field(default_factory=Reference)

    @property
    def dtype(self) -> torch.dtype:
        return next(iter(self.attention.values())).dtype

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(self.sizes)


@dataclass(frozen=True)
class ForwardPass:
    """One recorded forward: a map per site, in the graph where one was asked for."""

    maps: Mapping[Site, Float[Tensor, "_batch _heads _rows _cols"]]
    outputs: Outputs
    rules: RuleMode | None

    @property
    def sizes(self) -> dict[str, int]:
        """Tokens of each stream."""
        return {stream: size for site, found in self.maps.items()
                for stream, size in ((site.rows, found.shape[2]), (site.cols, found.shape[3]))}


def run_forward(network: nn.Module, schedule: Schedule, graph_roots: Sequence[str], forward: Callable[[], Outputs], *,
                in_graph: bool, rules: RuleMode | None) -> ForwardPass:
    """Runs the model once and checks every map; with `rules`, so that LRP can follow."""
    with (torch.set_grad_enabled(in_graph), recording(network, schedule, graph_roots) as record,
          rules or nullcontext()):
        outputs = forward()
    return ForwardPass(record.maps(schedule), outputs, rules)


def capture_items(passed: ForwardPass, schedule: Schedule, chosen: Chosen, readouts: tuple[Readout, ...], *,
                  gradient_sites: Sequence[Site], lrp_sites: Sequence[Site],
                  valid: Mapping[str, Bool[Tensor, "_batch _tokens"]],
                  seeds: Sequence[int], reference: Reference) -> Capture:
    """Backward once if a gradient is asked for, and once by the LRP rules if LRP relevance is.

    Args:
        valid: the tokens that count. Rows and columns of the others are taken out of the maps,
            and means run over valid tokens alone. The reference does neither, which lets padding into rollout and
            into the scale of Grad-CAM; without a mask here, so does mmx.
        seeds: a number for each sample, which the random control is drawn from.
    """
    samples = chosen.samples
    gradient = gradients(chosen, {site: passed.maps[site] for site in gradient_sites})
    lrp: dict[Site, Tensor] = {}
    if passed.rules is not None and lrp_sites:
        with passed.rules.following_relevance():
            lrp = gradients(chosen, {site: passed.maps[site] for site in lrp_sites})
    sizes = passed.sizes
    kept = {stream: torch.ones(len(samples), size, dtype=torch.bool, device=samples.device)
            for stream, size in sizes.items()}
    attention = {site: of_items(_full(found.detach()), chosen.entries_of(site.rows))
                 for site, found in passed.maps.items()}
    if valid:
        padded = {stream: of_items(mask, chosen.entries_of(stream)) for stream, mask in valid.items()}
        kept |= padded
        attention, gradient, lrp = ({site: _without_padding(found, site, padded) for site, found in maps.items()}
                                    for maps in (attention, gradient, lrp))
    return Capture(schedule, readouts, sizes, kept, attention, {site: _full(g) for site, g in gradient.items()},
                   {site: _full(r) for site, r in lrp.items()}, [seeds[i] for i in samples.tolist()], reference)


def gradients(chosen: Chosen, maps: Mapping[Site, Float[Tensor, "_batch _heads _rows _cols"]],
              ) -> dict[Site, Float[Tensor, "items _heads _rows _cols"]]:
    """d score / d map of every item, without the sites that have no path.

    Args:
        chosen: the explained scores.
        maps: in the graph of the scores.

    Raises:
        CaptureError: a map that should reach the target has no gradient; the message names its module.
    """
    by_site: dict[Site, Tensor] = {}
    apart = [{stream} for stream in chosen.entries]
    for streams in [{site.rows for site in maps}.difference(chosen.entries), *apart]:
        together = {site: map_ for site, map_ in maps.items() if site.rows in streams}
        if together:
            entries = chosen.entries_of(next(iter(streams)))
            by_site |= _gradients_of_one_batch(chosen.scores, entries, together)
    for site in maps:
        if site.reaches_target and site not in by_site:
            raise CaptureError(f"No gradient reaches the attention map of {site.module} (call {site.call + 1}).",
                               "It is computed but not used, or the graph does not start before it.")
    return by_site


def _gradients_of_one_batch(scores: Float[Tensor, " items"], entries: Int[Tensor, " items"],
                            maps: Mapping[Site, Float[Tensor, "batch _heads _rows _cols"]],
                            ) -> dict[Site, Float[Tensor, "items _heads _rows _cols"]]:
    """One backward for all items whose entries differ; items of one entry take turns in a batched one."""
    turns = turns_of(entries)
    shared = bool(turns.max() > 0)
    weights = _one_per_turn(scores, turns) if shared else torch.ones_like(scores)
    inside = [site for site, map_ in maps.items() if map_.requires_grad]
    # The graph is kept for a second pass by other rules; it goes with the last reference to the maps.
    found = torch.autograd.grad(scores, [maps[site] for site in inside], weights, is_grads_batched=shared,
                                allow_unused=True, retain_graph=True) if inside else ()
    return {site: gradient[turns, entries] if shared else of_items(gradient, entries)
            for site, gradient in zip(inside, found, strict=True) if gradient is not None}


def turns_of(samples: Int[Tensor, " items"]) -> Int[Tensor, " items"]:
    """How many earlier items belong to the same sample: items of one turn share one backward."""
    return (samples[:, None] == samples[None]).tril(-1).sum(dim=1)


def _one_per_turn(scores: Float[Tensor, " items"], turns: Int[Tensor, " items"]) -> Float[Tensor, "turns items"]:
    return torch.nn.functional.one_hot(turns).T.to(scores.dtype)


def of_items(values: Shaped[Tensor, " batch *rest"], samples: Int[Tensor, " items"]) -> Shaped[Tensor, " items *rest"]:
    """Row `samples[i]` for every item; the tensor itself where that is each sample once, in order."""
    if len(samples) == len(values) and torch.equal(samples, torch.arange(len(values), device=samples.device)):
        return values
    if (samples == samples[0]).all():
        return values[samples[:1]].expand(len(samples), *values.shape[1:])
    return values[samples]


def _without_padding(values: Float[Tensor, "items heads rows cols"], site: Site,
                     valid: Mapping[str, Bool[Tensor, "items _tokens"]]) -> Float[Tensor, "items heads rows cols"]:
    """Zero in rows and columns of padding; a gradient is not zero in its columns, though the map is."""
    if site.rows in valid:
        values = values * valid[site.rows][:, None, :, None]
    return values * valid[site.cols][:, None, None, :] if site.cols in valid else values


def _full(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
