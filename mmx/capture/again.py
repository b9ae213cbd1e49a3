"""The model run again on altered embeddings or inputs: what becomes of the explained scores, many alterations at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mmx.arrays import Bool, Float, Int, Shaped
from mmx.capture.attention import REHEARSED, Mixed, made_larger
from mmx.capture.backwards import gradients
from mmx.capture.choice import Chosen, Outputs
from mmx.capture.maps import AttentionMap, full
from mmx.capture.recording import explained, recording
from mmx.capture.states import At, Kept, State, beginning
from mmx.schedule import Site

Inputs = Mapping[str, Shaped[Tensor, "_batch ..."]]
AlterStates = Callable[[str, Float[Tensor, "batch tokens width"], range],
                       Float[Tensor, "alterations batch tokens width"]]
"""From a stream, its embeddings and the numbers of some alterations to the embeddings of each in their place."""
AlterInputs = Callable[[Inputs, range], Sequence[Inputs]]
"""From the inputs of a batch and the numbers of some alterations to the inputs of each."""


@dataclass(frozen=True)
class Run:
    """What some alterations make of the explained scores.

    Attributes:
        numbers: which these are.
        gradients: d score / d embeddings by stream, where it was asked for; without streams that have no path.
        maps: those that were asked for, of the items of each alteration in turn.
    """

    numbers: range
    scores: Float[Tensor, "alterations items"]
    gradients: Mapping[str, Float[Tensor, "alterations items _tokens _width"]] = field(default_factory=dict)
    maps: Mapping[Site, AttentionMap] = field(default_factory=dict)


@dataclass(frozen=True)
class Hideable:
    """Tokens of a stream that can be hidden in what a model is given.

    Attributes:
        tokens: which.
        hidden: the inputs of a batch in which so much of each token is shown, from 0 to 1; words are shown or not.
        places: of a picture's, where each is: down, from 0 to 1, and across, from 0 to the number of views, one beside
            the other. None where that is not known, or there is no picture.
    """

    stream: str
    tokens: Bool[Tensor, "entries tokens"]
    hidden: Callable[[Inputs, Float[Tensor, "entries tokens"]], Inputs]
    places: Float[Tensor, "#entries tokens 2"] | None = None


@dataclass(frozen=True)
class Again:
    """A forward that can be run again.

    Attributes:
        roots: by stream, where its embeddings are.
        forward: given inputs of a batch that may be several times as large as `inputs`.
        parted: the outputs of such a batch, of each time.
        states: of the forward that was explained, at the roots.
        at_once: alterations that run together.
        hideable: what can be hidden in the inputs, part by part.
        without_content: the inputs with nothing in them: each picture blank, each word the padding token.
        made: by stream, the tokens that are made of another stream's, whose embeddings follow from those.
    """

    network: nn.Module
    roots: Mapping[str, str]
    forward: Callable[[Inputs], Outputs]
    parted: Callable[[Outputs, int], list[Outputs]]
    inputs: Inputs
    states: Mapping[str, State]
    chosen: Chosen
    at_once: int
    hideable: Sequence[Hideable] = ()
    without_content: Callable[[], Inputs] | None = None
    made: Mapping[str, Bool[Tensor, "entries tokens"]] = field(default_factory=dict)

    def embeddings_without_content(self) -> dict[str, Float[Tensor, "entries _tokens _width"]]:
        """Of the inputs with nothing in them, by stream."""
        assert self.without_content is not None
        kept = Kept()
        with torch.no_grad(), beginning(self.network, self.roots, kept):
            self._outputs(self.without_content())
        return {stream: replace(self.states[stream], value=value).tokens(value)
                for stream, value in kept.roots.items() if stream in self.states}

    def on_embeddings(self, count: int, alter: AlterStates, *, with_gradients: bool = False,
                      at: Sequence[Site] = ()) -> Iterator[Run]:
        """Runs `count` alterations of the embeddings, some at a time.

        Args:
            with_gradients: d score / d embeddings is wanted too.
            at: sites whose maps are wanted too, with d score / d map; of these none attends in windows.
        """
        for numbers in self._some(count):
            copies = len(numbers)

            def altered(stream: str, values: Tensor, numbers: range = numbers, copies: int = copies) -> Tensor:
                if stream not in self.states:
                    return values
                state, before = replace(self.states[stream], value=values), self.states[stream]
                found = alter(stream, before.tokens(before.value.detach()), numbers).flatten(0, 1).to(values.dtype)
                if stream in self.made:
                    made = self.made[stream].repeat(copies, 1).unsqueeze(2)
                    return state.module_form(torch.where(made, state.tokens(values), found.detach()))
                return state.module_form(found).detach()

            with (torch.set_grad_enabled(with_gradients or bool(at)),
                  recording(self.network, tuple((site,) for site in at), self.roots, alter=altered) as record):
                outputs = self.forward(repeated(self.inputs, copies))
            scores, kept = self.scores_of(outputs, copies), record.kept
            found: dict[str, Tensor] = {}
            maps: dict[Site, AttentionMap] = {}
            if with_gradients or at:
                mixed = record.of_sites(tuple((site,) for site in at))
                states = {At(stream): replace(self.states[stream], value=values)
                          for stream, values in kept.roots.items()}
                chosen = self._all_chosen(scores, states)
                wanted: dict[Site | At, Mixed | State] = {**mixed}
                wanted |= states if with_gradients else {}
                reached = gradients(chosen, wanted, last=True)
                found = {place.rows: full(self._own(place.rows, one.unflatten(0, (copies, -1))))
                         for place, one in reached.items() if isinstance(place, At)}
                maps = {site: AttentionMap(one.outside_the_graph(), chosen.places_of(site.rows), reached.get(site))
                        for site, one in mixed.items()}
            yield Run(numbers, full(scores.detach()), found, maps)

    def on_inputs(self, count: int, alter: AlterInputs) -> Iterator[Run]:
        """Runs `count` alterations of the inputs, some at a time; no gradient is taken."""
        return (self._on_several(numbers, alter(self.inputs, numbers)) for numbers in self._some(count))

    def on_hidden(self, what: Hideable, count: int,
                  shown: Callable[[range], Float[Tensor, "alterations entries tokens"]],
                  ) -> Iterator[tuple[Run, Float[Tensor, "alterations items tokens"]]]:
        """Runs `count` alterations of the inputs and says how much of each token was shown, from 0 to 1."""
        for numbers in self._some(count):
            seen = shown(numbers)
            run = self._on_several(numbers, [what.hidden(self.inputs, one) for one in seen])
            yield run, seen[:, self.chosen.entries_of(what.stream)]

    def _on_several(self, numbers: range, several: Sequence[Inputs]) -> Run:
        """The alterations of these numbers, given the inputs of each."""
        together = {name: torch.cat([one[name] for one in several]) if value.dim() else value
                    for name, value in several[0].items()}
        with torch.no_grad():
            return Run(numbers, full(self.scores_of(self._outputs(together), len(numbers))))

    def _own(self, stream: str, gradient: Float[Tensor, "alterations items tokens width"],
             ) -> Float[Tensor, "alterations items tokens width"]:
        """Without that of tokens which are made of another stream's: it is carried on to those."""
        if stream not in self.made:
            return gradient
        return gradient.masked_fill(self.made[stream][self.chosen.entries_of(stream)].unsqueeze(2), 0)

    def _some(self, count: int) -> Iterator[range]:
        """In a rehearsal all at once, which count as no more than run together."""
        rehearsed = REHEARSED.get() is not None
        step = count if rehearsed else self.at_once
        for start in range(0, count, max(1, step)):
            with made_larger(max(1, count // self.at_once) if rehearsed else 1):
                yield range(start, min(count, start + step))

    def _outputs(self, inputs: Inputs) -> Outputs:
        with explained(self.network, ()):
            return self.forward(inputs)

    def scores_of(self, outputs: Outputs, copies: int) -> Float[Tensor, "{copies} items"]:
        """Of each time, in the outputs of a batch that ran several times at once."""
        assert self.chosen.score_of is not None
        return torch.stack([self.chosen.score_of(part) for part in self.parted(outputs, copies)])

    def _all_chosen(self, scores: Float[Tensor, "copies items"], reached: Mapping[At, State]) -> Chosen:
        """The items of every alteration, as those of one batch."""
        copies = len(scores)

        def of_all(entries: Int[Tensor, " items"], stream: str) -> Int[Tensor, " all"]:
            state = next(state for at, state in reached.items()
                         if at.rows == stream or (not stream and at.rows not in self.chosen.entries))
            size = state.tokens(state.value.detach()).shape[0] // copies
            return (torch.arange(copies, device=entries.device)[:, None] * size + entries).flatten()

        here = {at.rows for at in reached}
        own = here.difference(self.chosen.entries)
        return Chosen(scores.flatten(), of_all(self.chosen.samples, "") if own else self.chosen.samples.repeat(copies),
                      entries={stream: of_all(entries, stream) for stream, entries in self.chosen.entries.items()
                               if stream in here},
                      turns=None if self.chosen.turns is None else self.chosen.turns * copies)


def repeated(inputs: Inputs, copies: int) -> Inputs:
    """The batch several times, one after another."""
    return {name: torch.cat([value] * copies) if value.dim() else value for name, value in inputs.items()}
