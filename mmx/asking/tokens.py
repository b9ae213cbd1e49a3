"""An answer that the model wrote, or was given: an item is a word of it, or several words in a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmx.arrays import Float, Int
from mmx.asking.base import Answer, Asking, Batch, Subject
from mmx.asking.scoring import Picked, taken_apart
from mmx.capture import Chosen, Outputs
from mmx.errors import MmxError, UsageError
from mmx.families.base import LOGIT, PROBABILITY
from mmx.results import Asked, Item, Prediction, Words, WordSpan, words_in

Span = tuple[int, int]
"""Tokens of an answer, or characters of it, from the first to before the last."""
EVERY = "all"


@dataclass(frozen=True)
class Spans:
    """What is explained, in places of the ids that the model is given.

    Attributes:
        of_each: of each sample any number.
        answers: where the answer of each is.
    """

    of_each: tuple[tuple[Span, ...], ...]
    answers: tuple[Span, ...]

    def at(self, samples: Sequence[int]) -> "Spans":
        """Of a batch that is made of these samples."""
        return Spans(tuple(self.of_each[one] for one in samples), tuple(self.answers[one] for one in samples))

    def earlier(self, by: Sequence[int]) -> "Spans":
        """The same where each sample has lost so many tokens before its answer."""
        return replace(self, of_each=tuple(tuple((start - less, stop - less) for start, stop in spans)
                                           for spans, less in zip(self.of_each, by, strict=True)),
                       answers=tuple((start - less, stop - less)
                                     for (start, stop), less in zip(self.answers, by, strict=True)))


@dataclass(frozen=True)
class Cut:
    """A part of an answer: its tokens, and its characters without white space around them."""

    tokens: Span
    characters: Span

    @classmethod
    def of(cls, words: Sequence[WordSpan]) -> "Cut":
        """Words in a row."""
        return cls((words[0].tokens[0], words[-1].tokens[-1] + 1), (words[0].start, words[-1].stop))


class TokensAsked(Asking):
    noun: ClassVar = "word"

    def __init__(self, score: Any, subject: Subject) -> None:
        super().__init__(score, subject)
        self.by = score.unit

    @property
    def writes(self) -> bool:
        return True

    def settled(self, asked: Asked) -> Asked:
        return replace(asked, targets=tuple(dict.fromkeys(asked.targets)))

    def counts(self, asked: Asked) -> bool:
        return asked.answer is not None

    def whole(self, asked: Asked) -> Asked:
        return replace(asked, targets=(EVERY,))

    @property
    def example(self) -> Asked:
        return Asked(answer="a")

    def check_position(self, asked: Asked) -> None:
        if len(asked.targets) != 1:
            raise UsageError("A function of the outputs is explained before one word of an answer.",
                             'Say which: `target=(function, "word")`.')

    def own_target(self, batch: Batch) -> Spans:
        found, answers = [], []
        for place, words in enumerate(batch.answers):
            before = _before(batch, place)
            found.append(tuple((start + before, stop + before) for start, stop in (
                one.tokens for one in _explained(batch, place)[0])))
            answers.append((max(1, before), before + len(words)))
        return Spans(tuple(found), tuple(answers))

    def rival(self, batch: Batch, picture: int) -> int | None:
        return _explained(batch, picture)[1]

    def arguments(self, inputs: Mapping[str, Tensor], target: object) -> Mapping[str, Any]:
        """Which logits are made, of a model that can be told."""
        if not self.score.kept_by:
            return {}
        ids = inputs["input_ids"]
        kept = self._kept(taken_apart(target)[0], *ids.shape)
        return {self.score.kept_by: torch.arange(*kept, device=ids.device)}

    def picked(self, outputs: Outputs, target: object) -> Picked:
        """`target`: the place of a token in the ids, explained by its logit (or its probability, as is asked); or
        (start, stop), tokens that are explained by the sum of their log-probabilities, or by their probability; or a
        list of them. None is the whole answer, or behind a prompt the last token.
        """
        logits, ids = outputs["logits"], outputs["ids"]
        items = self._items(target, *ids.shape)
        samples, starts, stops = torch.tensor(items, dtype=torch.long, device=ids.device).reshape(-1, 3).unbind(1)
        weights = None
        if any(stop - start > 1 for _, start, stop in items):
            places = torch.arange(ids.shape[1], device=ids.device)
            weights = ((places >= starts[:, None] - 1) & (places < stops[:, None] - 1)).to(logits.dtype)
        alone, own = [stop - start == 1 for _, start, stop in items], ids[samples, starts]

        def score(found: Outputs, tokens: Int[Tensor, " items"]) -> Float[Tensor, " items"]:
            """Of items whose first token is another one."""
            first = self._first(found, target)
            before, next_ids = _each_token(found["logits"], found["ids"], first)
            at = starts - 1 - first
            scores = before[samples, at].gather(1, tokens[:, None]).squeeze(1)
            if self.by == LOGIT and all(alone):
                return scores
            summed = _summed(_logs(before, next_ids)[samples], at, stops - 1 - first)
            if tokens is not own:
                summed = summed + scores - before[samples, at].gather(1, own[:, None]).squeeze(1)
            if self.by == PROBABILITY:
                return summed.exp()
            return torch.where(torch.tensor(alone, device=ids.device), scores, summed) if self.by == LOGIT else summed

        return Picked(samples, own, score, {"positions": starts - 1, "weights": weights})

    def shown(self, outputs: Outputs, target: object) -> Outputs:
        """The logits before each token of the answers, (samples, tokens, vocabulary), and these tokens as "ids"."""
        if not isinstance(target, Spans):
            return outputs
        first = self._first(outputs, target)
        before, ids = _each_token(outputs["logits"], outputs["ids"], first)
        starts = torch.tensor([start - 1 - first for start, _ in target.answers], device=ids.device)
        longest = torch.arange(max(stop - start for start, stop in target.answers), device=ids.device)
        places = (starts[:, None] + longest).clamp(max=ids.shape[1] - 1)
        samples = torch.arange(len(ids), device=ids.device)[:, None]
        return {**outputs, "logits": before[samples, places], "ids": ids[samples, places]}

    def log_probabilities(self, outputs: Outputs, target: object) -> Float[Tensor, " items"]:
        """Summed over the tokens of each; none is over 0, whatever is rounded."""
        target, ids = taken_apart(target)[0], outputs["ids"]
        first = self._first(outputs, target)
        items = torch.tensor(self._items(target, *ids.shape), dtype=torch.long, device=ids.device).reshape(-1, 3)
        samples, starts, stops = items.unbind(1)
        logs = _logs(*_each_token(outputs["logits"].float(), ids, first))
        return _summed(logs[samples], starts - 1 - first, stops - 1 - first).clamp(max=0)

    def said(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        [sample], words, before = batch.samples[picture], batch.answers[picture], _before(batch, picture)
        first = self._first(outputs, self.own_target(batch))
        logs = _logs(*_each_token(outputs["logits"][sample:sample + 1].float(), outputs["ids"][sample:sample + 1],
                                  first))[0]
        places = (chosen.samples == sample).nonzero().flatten().tolist()
        here, items = before - 1 - first, []
        cuts, rival = _explained(batch, picture)
        for place, cut in zip(places, cuts, strict=True):
            start, stop = cut.tokens
            log, text = min(0.0, float(logs[start + here:stop + here].sum())), words.text[slice(*cut.characters)]
            index = 0 if text == words.text.strip() else start + (before > 0)
            items.append((place, Item(self.noun, index, text if rival is None else words.text, exp(log), "softmax",
                                      span=cut.characters, log_probability=log)))
        whole = float(logs[max(1, before) - 1 - first:len(words) + here].sum().exp())
        return Answer(tuple(items), (Prediction(0, words.text, whole, "softmax"),))

    def _first(self, outputs: Outputs, target: object) -> int:
        """The first token for which there are logits."""
        whole = outputs["logits"].shape[1] == outputs["ids"].shape[1]
        return 0 if whole else self._kept(target, *outputs["ids"].shape)[0]

    def _kept(self, target: object, batch: int, length: int) -> Span:
        """The tokens for which logits are needed."""
        spans = target.answers if isinstance(target, Spans) else [
            (start, stop) for _, start, stop in self._items(target, batch, length)]
        return min(start for start, _ in spans) - 1, max(stop for _, stop in spans) - 1

    def _items(self, target: object, batch: int, length: int) -> list[tuple[int, int, int]]:
        """(sample, start, stop) of each item."""
        if isinstance(target, Spans):
            return [(sample, *span) for sample, spans in enumerate(target.of_each) for span in spans]
        of_all = ((length - 1 if self.score.prompted else 1), length) if target is None else target
        several = of_all if isinstance(of_all, list) else [of_all] * batch
        if batch > 1 and len(several) != batch:
            raise UsageError(f"{len(several)} targets were given for {batch} samples.", "Give one, or one for each.")
        return [(sample if batch > 1 else 0, *_checked(one, length)) for sample, one in enumerate(several)]


def _explained(batch: Batch, picture: int) -> tuple[list[Cut], int | None]:
    """Parts of an answer; or the first token in which it differs from another, and what that has in its place."""
    words, asked = batch.answers[picture], batch.asked[picture]
    against = batch.against[picture] if batch.against else None
    if against is None:
        return _cuts(words, asked), None
    if asked.targets:
        raise UsageError("Targets are words of the answer; compared with another one, it is explained where they "
                         "begin to differ.", "Leave out one or the other.")
    place = next((place for place, (own, other) in enumerate(zip(batch.written[picture], against, strict=False))
                  if own != other), None)
    if place is None:
        raise UsageError(f"'{words.text}' and '{asked.against}' do not differ before one of them ends.",
                         "Compare with another answer.")
    said = words_in(words.text, words.tokens[place:place + 1]) or words_in(words.text, words.tokens)
    return [Cut((place, place + 1), Cut.of(said).characters)], against[place]


def _before(batch: Batch, picture: int) -> int:
    """How many tokens of a prompt stand before an answer."""
    return batch.prompts[picture] if batch.prompts else 0


def _each_token(logits: Float[Tensor, "batch tokens vocabulary"], ids: Int[Tensor, "batch _tokens"],
                first: int) -> tuple[Float[Tensor, "batch _fewer vocabulary"], Int[Tensor, "batch _fewer"]]:
    """Logits, those of the `first` token the first, and the tokens that follow: as far as any does."""
    next_ids = ids[:, first + 1:first + 1 + logits.shape[1]]
    return logits[:, :next_ids.shape[1]], next_ids


def _logs(logits: Float[Tensor, "batch tokens vocabulary"],
          ids: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens"]:
    """The log-probability of each token."""
    return logits.gather(2, ids.unsqueeze(2)).squeeze(2) - logits.logsumexp(dim=2)


def _summed(values: Float[Tensor, "items places"], starts: Int[Tensor, " items"],
            stops: Int[Tensor, " items"]) -> Float[Tensor, " items"]:
    """Of each item, what stands from one place to before another."""
    places = torch.arange(values.shape[1], device=values.device)
    return torch.where((places >= starts[:, None]) & (places < stops[:, None]), values, 0).sum(dim=1)


def _checked(target: object, length: int) -> Span:
    start, stop = target if isinstance(target, tuple) and len(target) == 2 else (target, None)
    stop = start + 1 if stop is None and isinstance(start, int) else stop
    if not (isinstance(start, int) and isinstance(stop, int)):
        raise UsageError(f"A target here is the place of a token, (start, stop), or a list of them, not {target!r}.")
    if not 1 <= start < stop <= length:
        raise UsageError(f"There is nothing to explain at {target!r}: the answer has the tokens 1 to {length - 1}.")
    return start, stop


def _cuts(words: Words, asked: Asked) -> list[Cut]:
    """Each word, or what is named in the place of all: a word or several in a row, a word's number, or "all"."""
    found = words_in(words.text, words.tokens)
    if not found:
        raise MmxError("The answer that the model writes is empty: nothing is there to explain.",
                       'Give one: `answer="..."`.')
    return [_named(target, words.text, found) for target in asked.targets] or [Cut.of([word]) for word in found]


def _named(target: str | int, text: str, words: Sequence[WordSpan]) -> Cut:
    given = str(target).strip()
    if given.lower() == EVERY:
        return Cut.of(words)
    for first in range(len(words)):
        for last in range(first, len(words)):
            if text[words[first].start:words[last].stop].lower() == given.lower():
                return Cut.of(words[first:last + 1])
    if given.isdecimal() and int(given) < len(words):
        return Cut.of([words[int(given)]])
    raise UsageError(f"'{given}' is not in the answer '{text}'.",
                     f"Name words of it, their numbers (0 to {len(words) - 1}), or '{EVERY}'.")


ASKING = TokensAsked
