"""Scores of layers: the explained score with what a layer gives in the place of what the last one gives, and the
gradient of it at that layer's own attention map (LeGrad, Bousselham et al. 2024, arXiv 2404.03214).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch
from torch import Tensor

from mmx.arrays import Bool, Float
from mmx.capture.again import Again, repeated
from mmx.capture.attention import Mixed
from mmx.capture.backwards import gradient_within, gradients
from mmx.capture.choice import Chosen, Outputs
from mmx.capture.maps import AttentionMap, full
from mmx.capture.modules import in_the_place_of, layers_around
from mmx.capture.recording import recording
from mmx.capture.states import At, State
from mmx.errors import UndefinedError
from mmx.schedule import Schedule, Site, Stack, sites_of, stack_of

Numbered = Sequence[tuple[Stack, Site]]
"""Of each copy of the batch that runs together, the layer whose states it has."""


@dataclass(frozen=True)
class LayerScores:
    """The maps of all layers that are read, each with the gradient of its layer's score.

    All layers' states go through what is behind the last layer in one further forward, in which no layer runs. Where a
    stream is read itself, the mean of its tokens stands for each of them; where another one takes it by an attention,
    it is given as it is, and the map of that attention stands in the place of the layers' own. What a logit is scaled
    by (the output "scale") is left out.

    Attributes:
        mixed, states: of the forward that was explained.
        maps: its maps, of the items.
        schedule: what is read of `whole`.
        streams: whose rows explain the score.
        valid: the tokens that count, by stream, where some do not.
        allowed: bytes that further passes may take.
    """

    again: Again
    mixed: Mapping[Site, Mixed]
    states: Mapping[At, State]
    maps: Mapping[Site, AttentionMap]
    schedule: Schedule
    whole: Schedule
    streams: Sequence[str]
    valid: Mapping[str, Bool[Tensor, "_batch _tokens"]]
    outputs: Outputs
    allowed: int

    def each(self) -> Iterator[tuple[Site, AttentionMap]]:
        """The maps one after another, each with the site that it is of.

        Raises:
            UndefinedError: a layer has no score of its own.
        """
        stacks = [self._stack(stream) for stream in dict.fromkeys(self.streams)]
        for stack in stacks:
            if stack.pool is not None:  # the score of the last layer is the model's own
                chosen = replace(self.again.chosen, scores=self._unscaled(self.again.chosen.scores, self.outputs))
                [found] = gradients(chosen, {stack.pool: self.mixed[stack.pool]}).values()
                yield stack.pool, self.maps[stack.pool].with_gradient(found)
        layers = [(stack, site) for stack in stacks for site in (stack.sites[:-1] if stack.pool else stack.sites)]
        at_once = max(1, self.allowed // max(1, self._bytes_of_a_copy()))
        for start in range(0, len(layers), at_once):
            yield from self._some(layers[start:start + at_once])

    def _stack(self, stream: str) -> Stack:
        stack = stack_of(self.schedule, stream)
        if stack is None or any(At(stack.stream, site) not in self.states for site in stack.sites):
            raise UndefinedError("Streams attend to each other in its layers, or its tokens are merged between them.")
        if self.again.chosen.positions is not None:
            raise UndefinedError("What it says is read at single tokens, where a layer's score is that of the mean of "
                                 "all.")
        return stack

    def _bytes_of_a_copy(self) -> int:
        """What is behind the last layer, of one batch: a few times the states."""
        return 8 * max((one.value.numel() * one.value.element_size() for one in self.states.values()), default=1)

    def _some(self, numbered: Numbered) -> Iterator[tuple[Site, AttentionMap]]:
        again, copies = self.again, len(numbered)
        leaves = {stack: self._leaf(stack, [site for other, site in numbered if other == stack])
                  for stack in dict(numbered)}
        stacks = {stack: [number for number, (other, _) in enumerate(numbered) if other == stack] for stack in leaves}
        pools: Schedule = tuple((stack.pool,) for stack in leaves if stack.pool is not None)
        forwards: dict[str, Callable[..., Any]] = {}
        for stack in map(self._stack, dict.fromkeys(self.streams)):
            if stack.sites:
                forwards |= self._forwards(stack, leaves.get(stack), stacks.get(stack, []), copies)
        with recording(again.network, pools, {}) as record, in_the_place_of(again.network, forwards):
            outputs = again.forward(repeated(again.inputs, copies))
        mixed = record.of_sites(pools) if pools else {}
        scores = self._unscaled(again.scores_of(outputs, copies), outputs)
        for stack, numbers in stacks.items():
            yield from self._maps_of(stack, [numbered[number][1] for number in numbers], numbers, scores,
                                     leaves[stack], None if stack.pool is None else mixed[stack.pool])

    def _leaf(self, stack: Stack, sites: Sequence[Site]) -> Float[Tensor, "copies_and_batch _tokens width"]:
        """What of each layer's states goes on, at which the graph begins: their mean, or all of them."""
        found = []
        for site in sites:
            state = self.states[At(stack.stream, site)]
            tokens = state.tokens(state.value.detach())
            if stack.pool is None:
                tokens = (self._shares(stack.stream, tokens) * full(tokens)).sum(dim=1, keepdim=True).to(tokens.dtype)
            found.append(tokens)
        return torch.cat(found).requires_grad_()

    def _shares(self, stream: str, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens 1"]:
        """Of each token in the mean of those that count."""
        counts = full(self.valid.get(stream, tokens.new_ones(tokens.shape[:2], dtype=torch.bool)).to(tokens.dtype))
        return (counts / counts.sum(dim=1, keepdim=True).clamp(min=1)).unsqueeze(-1)

    def _forwards(self, stack: Stack, leaf: Tensor | None, numbers: Sequence[int],
                  copies: int) -> dict[str, Callable[..., Any]]:
        """What the layers do now: give on what they are given, and the last one what each copy has behind it."""
        last = self.states[At(stack.stream, stack.sites[-1])]
        true = last.tokens(last.value.detach())
        behind = [true] * copies
        if leaf is not None:
            for number, one in zip(numbers, leaf.unflatten(0, (len(numbers), -1)), strict=True):
                behind[number] = one.expand(-1, true.shape[1], -1)

        def unchanged(*args: Any, **given: Any) -> Any:
            return last.given_with(next(iter((*args, *given.values()))))

        def altered(*_: Any, **__: Any) -> Any:
            return last.given_with(last.module_form(torch.cat(behind)))

        around = layers_around(self.again.network, [site.module for site in sites_of(self.whole)
                                                    if site.is_self and site.rows == stack.stream])
        return {layer: altered if site == stack.sites[-1].module else unchanged for site, layer in around.items()}

    def _maps_of(self, stack: Stack, sites: Sequence[Site], numbers: Sequence[int],
                 scores: Float[Tensor, "copies items"], leaf: Tensor,
                 pooled: Mixed | None) -> Iterator[tuple[Site, AttentionMap]]:
        """The maps of the layers whose states the copies of these numbers have."""
        entries = self.again.chosen.entries_of(stack.rows)
        reached: dict[Site, Mixed] | dict[At, State] = {At(stack.stream): State(leaf, 1)}
        batch, among = len(leaf) // len(numbers), range(len(numbers))
        if pooled is not None:
            assert stack.pool is not None
            reached, batch, among = {stack.pool: pooled}, len(pooled.reached) // len(scores), numbers
        index = torch.tensor(among, device=entries.device)[:, None] * batch + entries
        wanted = cast(Mapping[Site | At, Mixed | State], reached)
        [found] = gradients(Chosen(scores[list(numbers)].flatten(), index.flatten()), wanted).values()
        for site, number, gradient in zip(sites, numbers, found.unflatten(0, (len(numbers), -1)), strict=True):
            if pooled is None:
                yield site, self.maps[site].with_gradient(self._at_attention(site, gradient.squeeze(1)))
            else:
                assert stack.pool is not None
                yield stack.pool, self.maps[stack.pool].with_gradient(gradient, _of_copy(pooled, number, len(scores)))

    def _at_attention(self, site: Site, gradient: Float[Tensor, "items width"]) -> Float[Tensor, "_items ..."]:
        """Of each item at the output of a layer's attention, out of that at the mean of what the layer gives."""
        state, places = self.states[At(site.rows, site)], self.again.chosen.places_of(site.rows)
        tokens = state.tokens(state.value.detach())
        of_turns = gradient.new_zeros(max(places.turns) + 1, len(tokens), gradient.shape[1])
        of_turns[places.turn_index, places.index] = gradient
        of_tokens = (of_turns.unsqueeze(2) * self._shares(site.rows, tokens)).to(tokens.dtype)
        given = state.module_form(of_tokens.flatten(0, 1)).unflatten(0, (len(of_turns), -1))
        return gradient_within(state.value, given, self.mixed[site], places)

    @staticmethod
    def _unscaled(scores: Tensor, outputs: Outputs) -> Tensor:
        return scores / outputs["scale"] if "scale" in outputs else scores


def _of_copy(mixed: Mixed, number: int, copies: int) -> Mixed:
    """Of one of the copies of a batch, outside the graph."""
    values = {one.name: getattr(mixed, one.name) for one in fields(mixed)}
    batch = len(mixed.reached)
    return replace(mixed, **{name: (value.chunk(copies)[number] if len(value) == batch else value).detach()
                             for name, value in values.items() if isinstance(value, Tensor)})
