"""One forward of a model, and what the explained scores make of its attention maps: the only calls of autograd."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor, nn

from mmx.arrays import Bool, Float, Shaped
from mmx.capture.attention import Mixed
from mmx.capture.choice import Chosen, Places, Readout
from mmx.capture.folding import Fold, Folded
from mmx.capture.lrp import RuleMode
from mmx.capture.maps import AttentionMap
from mmx.capture.recording import recording
from mmx.errors import CaptureError
from mmx.reference import Reference
from mmx.schedule import Schedule, Site

Outputs = Mapping[str, Shaped[Tensor, "_batch ..."]]
"""What a forward gives: "logits", and what else a family reads."""


@dataclass(frozen=True)
class Capture:
    """What methods read. An item is one (sample, target); numbers are float32 at least.

    Attributes:
        maps: of each site; gradients and LRP relevance for the sites that were asked for and from which a path leads
            to the target.
        valid: the tokens that count, by stream.
        seeds: a number for each item, for what is random.
        reference: where the reference treats this family otherwise.
        keep: what is folded is made once and kept.
    """

    schedule: Schedule
    readouts: tuple[Readout, ...]
    sizes: Mapping[str, int]
    valid: Mapping[str, Bool[Tensor, "items _tokens"]]
    maps: Mapping[Site, AttentionMap]
    seeds: Sequence[int]
    reference: Reference = field(default_factory=Reference)
    keep: bool = True
    _folded: dict[tuple[Site, Fold], Folded] = field(default_factory=dict, init=False, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        return next(iter(self.maps.values())).dtype

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(self.sizes)

    def folded(self, site: Site, fold: Fold) -> Folded:
        """The map of a site with its heads in one; the same fold of it is one matrix, whoever asks."""
        if (site, fold) not in self._folded:
            self._folded[site, fold] = Folded(self.maps[site], fold, self.keep)
        return self._folded[site, fold]

    def folded_where(self, has: Callable[[AttentionMap], bool], fold: Fold) -> dict[Site, Folded]:
        """The same of all sites whose maps have something."""
        return {site: self.folded(site, fold) for site, map_ in self.maps.items() if has(map_)}


@dataclass(frozen=True)
class ForwardPass:
    """One recorded forward: the attention of each site, in the graph where one was asked for."""

    mixed: Mapping[Site, Mixed]
    outputs: Outputs
    rules: RuleMode | None

    @property
    def sizes(self) -> dict[str, int]:
        """Tokens of each stream."""
        return {stream: size for site, found in self.mixed.items()
                for stream, size in ((site.rows, found.shape[2]), (site.cols, found.shape[3]))}


def run_forward(network: nn.Module, schedule: Schedule, graph_roots: Sequence[str], forward: Callable[[], Outputs], *,
                in_graph: bool, rules: RuleMode | None, checkpoint: bool = False) -> ForwardPass:
    """Runs the model once and checks every map; with `rules`, so that LRP can follow.

    `checkpoint`: layers run again in every backward, for less memory; not with `rules`, which keep what they need.
    """
    with (torch.set_grad_enabled(in_graph), rules or nullcontext(),
          recording(network, schedule, graph_roots, checkpoint=checkpoint and in_graph and rules is None) as record):
        outputs = forward()
    return ForwardPass(record.of_sites(schedule), outputs, rules)


def capture_items(passed: ForwardPass, schedule: Schedule, chosen: Chosen, readouts: tuple[Readout, ...], *,
                  gradient_sites: Sequence[Site], lrp_sites: Sequence[Site],
                  valid: Mapping[str, Bool[Tensor, "_batch _tokens"]], seeds: Sequence[int], reference: Reference,
                  keep: bool = True, last: bool = False) -> Capture:
    """Backward once by the LRP rules if LRP relevance is asked for, and once if a gradient is.

    Args:
        valid: the tokens that count. Rows and columns of the others are taken out of the maps,
            and means run over valid tokens alone. The reference does neither, which lets padding into rollout and
            into the scale of Grad-CAM; without a mask here, so does mmx.
        seeds: a number for each sample, which the random control is drawn from.
        keep: whether what methods fold is kept.
        last: no other backward follows, so that the graph is let go as it is gone through.
    """
    lrp: dict[Site, Tensor] = {}
    if passed.rules is not None and lrp_sites:
        with passed.rules.following_relevance():
            lrp = gradients(chosen, {site: passed.mixed[site] for site in lrp_sites})
    gradient = gradients(chosen, {site: passed.mixed[site] for site in gradient_sites}, last=last)
    sizes, samples = passed.sizes, chosen.samples
    kept = {stream: torch.ones(len(samples), size, dtype=torch.bool, device=samples.device)
            for stream, size in sizes.items()}
    padded = {stream: mask[chosen.entries_of(stream)] for stream, mask in valid.items()}
    maps = {site: AttentionMap(_outside_the_graph(mixed), chosen.places_of(site.rows), gradient.get(site),
                               lrp.get(site), padded.get(site.rows), padded.get(site.cols))
            for site, mixed in passed.mixed.items()}
    return Capture(schedule, readouts, sizes, kept | padded, maps, [seeds[i] for i in chosen.places.numbers], reference,
                   keep)


def _outside_the_graph(mixed: Mixed) -> Mixed:
    values = {one.name: getattr(mixed, one.name) for one in fields(mixed)}
    return replace(mixed, **{name: value.detach() for name, value in values.items() if isinstance(value, Tensor)})


def gradients(chosen: Chosen, mixed: Mapping[Site, Mixed], *, last: bool = False,
              ) -> dict[Site, Float[Tensor, "items _heads _rows _any"]]:
    """d score / d output of the attention of every item, without the sites that have no path.

    Args:
        chosen: the explained scores.
        mixed: in the graph of the scores. Where the output of an attention is not known, its map stands for it.
        last: no other backward follows.

    Raises:
        CaptureError: a map that should reach the target has no gradient; the message names its module.
    """
    by_site: dict[Site, Tensor] = {}
    groups = [{site: one.reached for site, one in mixed.items() if site.rows in streams}
              for streams in [{site.rows for site in mixed}.difference(chosen.entries),
                              *({stream} for stream in chosen.entries)]]
    groups = [group for group in groups if group]
    for number, group in enumerate(groups):
        places = chosen.places_of(next(iter(group)).rows)
        by_site |= _gradients_of_one_batch(chosen.scores, places, group,
                                           keep_graph=not last or number < len(groups) - 1)
    for site in mixed:
        if site.reaches_target and site not in by_site:
            raise CaptureError(f"No gradient reaches the attention map of {site.module} (call {site.call + 1}).",
                               "It is computed but not used, or the graph does not start before it.")
    return by_site


def _gradients_of_one_batch(scores: Float[Tensor, " items"], places: Places,
                            reached: Mapping[Site, Float[Tensor, "batch _heads _rows _any"]], *, keep_graph: bool,
                            ) -> dict[Site, Float[Tensor, "items _heads _rows _any"]]:
    """One backward for all items whose entries differ; items of one entry take turns in a batched one."""
    count = max(places.turns) + 1
    turns = torch.tensor(places.turns, device=scores.device)
    weights = (torch.nn.functional.one_hot(turns, count).T.to(scores.dtype) if count > 1 else torch.ones_like(scores))
    inside = [site for site, values in reached.items() if values.requires_grad]
    found = torch.autograd.grad(scores, [reached[site] for site in inside], weights, is_grads_batched=count > 1,
                                allow_unused=True, retain_graph=keep_graph) if inside else ()

    def of_items(gradient: Tensor) -> Tensor:
        if count > 1:
            return gradient[turns, places.index]
        return gradient if places.are_all(len(gradient)) else gradient[places.index]

    return {site: of_items(gradient) for site, gradient in zip(inside, found, strict=True) if gradient is not None}
