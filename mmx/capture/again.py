"""The model run again on altered embeddings or inputs: what becomes of the explained scores, many alterations at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mmx.arrays import Float, Int, Shaped
from mmx.capture.backwards import gradients
from mmx.capture.choice import Chosen, Outputs
from mmx.capture.recording import explained
from mmx.capture.states import At, Kept, State, beginning

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
    """

    numbers: range
    scores: Float[Tensor, "alterations items"]
    gradients: Mapping[str, Float[Tensor, "alterations items _tokens _width"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Again:
    """A forward that can be run again.

    Attributes:
        roots: by stream, where its embeddings are.
        forward: given inputs of a batch that may be several times as large as `inputs`.
        parted: the outputs of such a batch, of each time.
        states: of the forward that was explained, at the roots.
        at_once: alterations that run together.
    """

    network: nn.Module
    roots: Mapping[str, str]
    forward: Callable[[Inputs], Outputs]
    parted: Callable[[Outputs, int], list[Outputs]]
    inputs: Inputs
    states: Mapping[str, State]
    chosen: Chosen
    at_once: int

    def on_embeddings(self, count: int, alter: AlterStates, *, with_gradients: bool = False) -> Iterator[Run]:
        """Runs `count` alterations of the embeddings, some at a time.

        Args:
            with_gradients: d score / d embeddings is wanted too.
        """
        for numbers in self._some(count):
            copies, kept = len(numbers), Kept()

            def altered(stream: str, values: Tensor, numbers: range = numbers, copies: int = copies) -> Tensor:
                state = replace(self.states[stream], value=values)
                one = state.tokens(values.detach()).unflatten(0, (copies, -1))[0]
                return state.module_form(alter(stream, one, numbers).flatten(0, 1).to(values.dtype)).detach()

            with torch.set_grad_enabled(with_gradients), beginning(self.network, self.roots, kept, altered):
                outputs = self._outputs(repeated(self.inputs, copies))
            scores = self.scores_of(outputs, copies)
            found: dict[str, Tensor] = {}
            if with_gradients:
                reached = {At(stream): replace(self.states[stream], value=values)
                           for stream, values in kept.roots.items()}
                found = {at.rows: one.unflatten(0, (copies, -1))
                         for at, one in gradients(self._all_chosen(scores, reached), reached, last=True).items()}
            yield Run(numbers, scores.detach(), found)

    def on_inputs(self, count: int, alter: AlterInputs) -> Iterator[Run]:
        """Runs `count` alterations of the inputs, some at a time; no gradient is taken."""
        for numbers in self._some(count):
            several = alter(self.inputs, numbers)
            together = {name: torch.cat([one[name] for one in several]) if value.dim() else value
                        for name, value in self.inputs.items()}
            with torch.no_grad():
                yield Run(numbers, self.scores_of(self._outputs(together), len(numbers)))

    def _some(self, count: int) -> Iterator[range]:
        return (range(start, min(count, start + self.at_once)) for start in range(0, count, self.at_once))

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
