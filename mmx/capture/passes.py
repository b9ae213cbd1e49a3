"""One forward of a model, and what the explained scores make of its attention maps: the only calls of autograd."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mmx.arrays import Bool, Float, Int, Matrix
from mmx.capture.again import Again
from mmx.capture.attention import Mixed
from mmx.capture.backwards import gradients
from mmx.capture.choice import Chosen, Outputs, Readout
from mmx.capture.folding import Fold, Folded
from mmx.capture.layer_scores import LayerScores
from mmx.capture.lrp import RuleMode
from mmx.capture.maps import AttentionMap, full
from mmx.capture.matrices import FirstRows, Shares, Windowed
from mmx.capture.recording import recording, tokens_of
from mmx.capture.states import At, State, TokenStates, states_of
from mmx.errors import UndefinedError
from mmx.reference import Reference
from mmx.schedule import Link, Schedule, Site, links_of, sites_of


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
        links: the matrix of each.
        embeddings: the states of each stream's tokens where the graph begins, where they were asked for.
        layers, before: the states behind the layer of each site of a stream that no other runs through, and those that
            enter it, the same.
        again: the forward, to be run again, where that was asked for.
        relevances: of embeddings, by rule set and stream: embedding · gradient by the rules of the set.
        of_layers: the scores of layers, where they were asked for.
        samples: how many further passes each method takes that can choose, by its name.
        notes: what methods tell of each item, by their names.
        score_scale: how many times a similarity the explained scores are; 1 where they are none.
    """

    schedule: Schedule
    readouts: tuple[Readout, ...]
    sizes: Mapping[str, int]
    valid: Mapping[str, Bool[Tensor, "items _tokens"]]
    maps: Mapping[Site, AttentionMap]
    seeds: Sequence[int]
    reference: Reference = field(default_factory=Reference)
    keep: bool = True
    links: Mapping[Link, Shares] = field(default_factory=dict)
    embeddings: Mapping[str, TokenStates] = field(default_factory=dict)
    layers: Mapping[Site, TokenStates] = field(default_factory=dict)
    before: Mapping[Site, TokenStates] = field(default_factory=dict)
    again: Again | None = None
    relevances: Mapping[str, Mapping[str, Float[Tensor, "items _tokens"]]] = field(default_factory=dict)
    of_layers: LayerScores | None = None
    samples: Mapping[str, int] = field(default_factory=dict)
    notes: dict[str, Sequence[str]] = field(default_factory=dict, repr=False)
    score_scale: Float[Tensor, ""] | float = 1.0
    _folded: dict[tuple[Site, Fold], Matrix] = field(default_factory=dict, init=False, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        return next(iter(self.maps.values())).dtype

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(self.sizes)

    def folded(self, site: Site, fold: Fold) -> Matrix:
        """The map of a site with its heads in one; the same fold of it is one matrix, whoever asks."""
        if (site, fold) not in self._folded:
            self._folded[site, fold] = self._matrix(site, self.maps[site], fold, self.keep)
        return self._folded[site, fold]

    def _matrix(self, site: Site, map_: AttentionMap, fold: Fold, keep: bool) -> Matrix:
        found = Folded(map_, fold, keep)
        if site.first_rows:
            return FirstRows(found, self.sizes[site.rows])
        return found if map_.windows is None else Windowed(found, map_.windows)

    def over_layers(self, fold: Fold) -> dict[tuple[str, str], Float[Tensor, "items _cols"]]:
        """The mean row of each map with the gradient of its layer's own score, summed over layers, by (rows, cols)."""
        if self.of_layers is None:
            raise UndefinedError("Nothing is known of the scores of its layers.")
        found: dict[tuple[str, str], Tensor] = {}
        for site, map_ in self.of_layers.each():
            valid = self.valid[site.rows].to(self.dtype)
            mean = (valid / valid.sum(dim=1, keepdim=True)).unsqueeze(1)
            row = self._matrix(site, map_, fold, keep=False).rows_times(mean).squeeze(1)
            found[site.rows, site.cols] = row + found.get((site.rows, site.cols), 0)
        return found

    def gradient_means(self, site: Site) -> Float[Tensor, "_items heads"]:
        """Means of d score / d map over the tokens that count, of each head; all windows of an item are one map."""
        map_, rows, cols = self.maps[site], self.valid[site.rows], self.valid[site.cols]
        if (windows := map_.windows) is None:
            rows = rows[:, :map_.shape[2]]
            return map_.gradient_sums() / (rows.sum(dim=1) * cols.sum(dim=1))[:, None]
        inside = windows.split(rows.unsqueeze(1)).sum(dim=-1)
        return windows.together(map_.gradient_sums()) / windows.together(inside**2)

    def folded_where(self, has: Callable[[AttentionMap], bool], fold: Fold) -> dict[Site, Matrix]:
        """The same of all sites whose maps have something."""
        return {site: self.folded(site, fold) for site, map_ in self.maps.items() if has(map_)}


@dataclass(frozen=True)
class ForwardPass:
    """One recorded forward: the attention of each site, in the graph where one was asked for."""

    mixed: Mapping[Site, Mixed]
    outputs: Outputs
    rules: RuleMode | None
    links: Mapping[Link, Int[Tensor, "_entries _cols"]] = field(default_factory=dict)
    states: Mapping[At, State] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        """Tokens of each stream."""
        linked = {link.cols: into.shape[1] for link, into in self.links.items()}
        return linked | {stream: size for site, found in self.mixed.items()
                         for stream, size in tokens_of(site, found)}


def run_forward(network: nn.Module, schedule: Schedule, roots: Mapping[str, str], forward: Callable[[], Outputs], *,
                in_graph: bool, rules: RuleMode | None, checkpoint: bool = False, states: bool = False,
                inputs: Mapping[str, Tensor] | None = None) -> ForwardPass:
    """Runs the model once and checks every map; with `rules`, so that LRP can follow.

    Args:
        checkpoint: layers run again in every backward, for less memory; not with `rules`, which keep what they need.
        states: the states of tokens are kept, at the roots and behind each layer.
        inputs: what windows and links are told by.
    """
    with (torch.set_grad_enabled(in_graph), rules or nullcontext(),
          recording(network, schedule, roots, checkpoint=checkpoint and in_graph and rules is None,
                    keeps_layers=states) as record):
        outputs = forward()
    given = inputs or {}
    windows = {site: site.windows(network, given) for site in sites_of(schedule) if site.windows is not None}
    mixed = record.of_sites(schedule, windows)
    device = next(iter(mixed.values())).reached.device
    passed = ForwardPass(mixed, outputs, rules, {link: link.into(network, given).to(device, non_blocking=True)
                                                 for link in links_of(schedule)})
    if not states:
        return passed
    return replace(passed, states=states_of(network, schedule, record.kept, passed.sizes,
                                            {site: one.windows for site, one in mixed.items()}))


def capture_items(passed: ForwardPass, schedule: Schedule, chosen: Chosen, readouts: tuple[Readout, ...], *,
                  gradient_sites: Sequence[Site], lrp_sites: Sequence[Site],
                  valid: Mapping[str, Bool[Tensor, "_batch _tokens"]], seeds: Sequence[int], reference: Reference,
                  keep: bool = True, last: bool = False, states: bool = False,
                  rule_sets: Sequence[str] = ()) -> Capture:
    """Backward once by the LRP rules if LRP relevance is asked for, by each further set, and once if a gradient is.

    Args:
        valid: the tokens that count. Rows and columns of the others are taken out of the maps,
            and means run over valid tokens alone. The reference does neither, which lets padding into rollout and
            into the scale of Grad-CAM; without a mask here, so does mmx.
        seeds: a number for each sample, which the random control is drawn from.
        keep: whether what methods fold is kept.
        last: no other backward follows, so that the graph is let go as it is gone through.
        states: whether the gradient at the states of tokens is asked for.
        rule_sets: by which relevance of embeddings is asked for.
    """
    lrp: dict[Site, Tensor] = {}
    if passed.rules is not None and lrp_sites:
        with passed.rules.following("lrp"):
            lrp = gradients(chosen, {site: passed.mixed[site] for site in lrp_sites})
    relevances = {name: _relevances(passed, chosen, name, valid) for name in rule_sets}
    wanted: dict[Site | At, Mixed | State] = {site: passed.mixed[site] for site in gradient_sites}
    gradient = gradients(chosen, wanted | (dict(passed.states) if states else {}), last=last)
    sizes, samples = passed.sizes, chosen.samples
    kept = {stream: torch.ones(len(samples), size, dtype=torch.bool, device=samples.device)
            for stream, size in sizes.items()}
    padded = {stream: mask[chosen.entries_of(stream)] for stream, mask in valid.items()}
    maps = {}
    for site, mixed in passed.mixed.items():
        valid_rows, valid_cols = padded.get(site.rows), padded.get(site.cols)
        if mixed.windows is not None:
            valid_rows = valid_cols = mixed.windows.valid(valid_rows, len(samples))
        elif site.first_rows and valid_rows is not None:
            valid_rows = valid_rows[:, :mixed.shape[2]]
        maps[site] = AttentionMap(mixed.outside_the_graph(), chosen.places_of(site.rows).within(mixed.windows),
                                  gradient.get(site), lrp.get(site), valid_rows, valid_cols)
    links = {link: Shares(into if len(into) == 1 else into[chosen.entries_of(link.rows)], sizes[link.rows],
                          next(iter(maps.values())).dtype) for link, into in passed.links.items()}
    at_roots, layers, before = _token_states(passed.states, chosen, gradient) if states else ({}, {}, {})
    return Capture(schedule, readouts, sizes, kept | padded, maps, [seeds[i] for i in chosen.places.numbers], reference,
                   keep, links, at_roots, layers, before, relevances=relevances, score_scale=chosen.scale)


def _relevances(passed: ForwardPass, chosen: Chosen, rule_set: str,
                valid: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "items _tokens"]]:
    """At the roots, by stream: 0 where no path leads from there to the target, and of tokens that do not count."""
    assert passed.rules is not None
    roots = {at: state for at, state in passed.states.items() if at.site is None}
    with passed.rules.following(rule_set):
        reached: dict[Site | At, Tensor] = {**gradients(chosen, roots)}
    found = {}
    for stream, one in _token_states(roots, chosen, reached)[0].items():
        of_tokens = 0 * one.value if one.gradient is None else one.value * one.gradient
        relevance = of_tokens.sum(dim=-1).expand(len(chosen.samples), -1)
        found[stream] = relevance * valid[stream][chosen.entries_of(stream)] if stream in valid else relevance
    return found


def _token_states(states: Mapping[At, State], chosen: Chosen, gradient: Mapping[Site | At, Tensor],
                  ) -> tuple[dict[str, TokenStates], dict[Site, TokenStates], dict[Site, TokenStates]]:
    """Of each item, at the roots by stream, behind layers by site, and before them; float32 at least."""
    at_roots: dict[str, TokenStates] = {}
    layers: dict[Site, TokenStates] = {}
    before: dict[Site, TokenStates] = {}
    for at, state in states.items():
        value, reached = chosen.places_of(at.rows).take(state.tokens(state.value.detach())), gradient.get(at)
        found = TokenStates(full(value), None if reached is None else full(reached))
        if at.site is None:
            at_roots[at.rows] = found
        else:
            (before if at.before else layers)[at.site] = found
    return at_roots, layers, before
