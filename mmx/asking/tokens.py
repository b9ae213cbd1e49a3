"""An answer that the model wrote, or was given: an item is a word of it, or several words in a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmx.arrays import Float, Int
from mmx.asking.base import Answer, Asking, Batch
from mmx.capture import Chosen, Outputs
from mmx.errors import MmxError, UsageError
from mmx.results import Asked, Item, Prediction, Words, words_in

Span = tuple[int, int]
"""Tokens of an answer, or characters of it, from the first to before the last."""
EVERY = "all"
_LONGEST_COMPARED = 30


@dataclass(frozen=True)
class Spans:
    """What is explained, in places of the ids that the model is given.

    Attributes:
        of_each: of each sample any number.
        answers: where the answer of each is.
        rivals: in whose place the only token that is explained of a sample stands, where it is compared with one.
    """

    of_each: tuple[tuple[Span, ...], ...]
    answers: tuple[Span, ...]
    rivals: tuple[int | None, ...]

    def at(self, samples: Sequence[int]) -> "Spans":
        """Of a batch that is made of these samples."""
        return Spans(tuple(self.of_each[one] for one in samples), tuple(self.answers[one] for one in samples),
                     tuple(self.rivals[one] for one in samples))

    def earlier(self, by: Sequence[int]) -> "Spans":
        """The same where each sample has lost so many tokens before its answer."""
        return replace(self, of_each=tuple(tuple((start - less, stop - less) for start, stop in spans)
                                           for spans, less in zip(self.of_each, by, strict=True)),
                       answers=tuple((start - less, stop - less)
                                     for (start, stop), less in zip(self.answers, by, strict=True)))


class TokensAsked(Asking):
    noun: ClassVar = "word"

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

    def target(self, batch: Batch) -> Spans:
        found, answers, rivals = [], [], []
        for place, words in enumerate(batch.answers):
            before, (spans, rival) = _before(batch, place), _explained(batch, place)
            found.append(tuple((start + before, stop + before) for start, stop in spans))
            answers.append((max(1, before), before + len(words)))
            rivals.append(rival)
        return Spans(tuple(found), tuple(answers), tuple(rivals))

    def arguments(self, inputs: Mapping[str, Tensor], target: object) -> Mapping[str, Any]:
        """Which logits are made, of a model that can be told."""
        if not self.score.kept_by:
            return {}
        ids = inputs["input_ids"]
        return {self.score.kept_by: torch.arange(*self._kept(target, *ids.shape), device=ids.device)}

    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """`target`: the place of a token in the ids, explained by its logit (or log-probability, as the score says); or
        (start, stop), tokens that are explained by the sum of their log-probabilities; or a list of them. None is the
        whole answer, or behind a prompt the last token.
        """
        logits, ids = outputs["logits"], outputs["ids"]
        items = self._items(target, *ids.shape)
        samples, starts, stops = torch.tensor(items, dtype=torch.long, device=ids.device).reshape(-1, 3).unbind(1)
        weights = None
        if any(stop - start > 1 for _, start, stop in items):
            places = torch.arange(ids.shape[1], device=ids.device)
            weights = ((places >= starts[:, None] - 1) & (places < stops[:, None] - 1)).to(logits.dtype)
        return Chosen.by(lambda found: self._scores(found, target), outputs, samples, positions=starts - 1,
                         targets=starts, weights=weights)

    def _scores(self, outputs: Outputs, target: object) -> Float[Tensor, " items"]:
        ids = outputs["ids"]
        items, first = self._items(target, *ids.shape), self._first(outputs, target)
        samples, starts, stops = torch.tensor(items, dtype=torch.long, device=ids.device).reshape(-1, 3).unbind(1)
        alone = [stop - start == 1 and self.score.unit == "logit" for _, start, stop in items]
        before, next_ids = _each_token(outputs["logits"], ids, first)
        scores = before[samples, starts - 1 - first].gather(1, next_ids[samples, starts - 1 - first, None]).squeeze(1)
        if not all(alone):
            summed = _summed(_logs(before, next_ids)[samples], starts - 1 - first, stops - 1 - first)
            scores = torch.where(torch.tensor(alone, device=ids.device), scores, summed)
        if isinstance(target, Spans) and any(rival is not None for rival in target.rivals):
            rivals = torch.tensor([-1 if one is None else one for one in target.rivals], device=ids.device)[samples]
            theirs = before[samples, starts - 1 - first].gather(1, rivals.clamp(min=0).unsqueeze(1)).squeeze(1)
            scores = torch.where(rivals < 0, scores, scores - theirs)
        return scores

    def log_probabilities(self, outputs: Outputs, target: object) -> Float[Tensor, " items"]:
        """Summed over the tokens of each; none is over 0, whatever is rounded."""
        ids, first = outputs["ids"], self._first(outputs, target)
        items = torch.tensor(self._items(target, *ids.shape), dtype=torch.long, device=ids.device).reshape(-1, 3)
        samples, starts, stops = items.unbind(1)
        logs = _logs(*_each_token(outputs["logits"].float(), ids, first))
        return _summed(logs[samples], starts - 1 - first, stops - 1 - first).clamp(max=0)

    def answer(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        [sample], words, before = batch.samples[picture], batch.answers[picture], _before(batch, picture)
        first = self._first(outputs, self.target(batch))
        logs = _logs(*_each_token(outputs["logits"][sample:sample + 1].float(), outputs["ids"][sample:sample + 1],
                                  first))[0]
        places = (chosen.samples == sample).nonzero().flatten().tolist()
        here, items = before - 1 - first, []
        spans, rival = _explained(batch, picture)
        for place, (start, stop) in zip(places, spans, strict=True):
            log, span = min(0.0, float(logs[start + here:stop + here].sum())), _characters(words, start, stop)
            text = words.text[slice(*span)]
            index = 0 if text == words.text.strip() else start + (before > 0)
            item = Item(self.noun, index, text, exp(log), "softmax", span=span, log_probability=log)
            if rival is not None:
                other = batch.asked[picture].against or ""
                item = replace(item, label=f"{_begun(words.text)} rather than {_begun(other)}",
                               score=float(chosen.scores[place].detach()), unit="logit")
            items.append((place, item))
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


def _explained(batch: Batch, picture: int) -> tuple[list[Span], int | None]:
    """Spans of an answer; or the first token in which it differs from another, and what that has in its place."""
    words, asked = batch.answers[picture], batch.asked[picture]
    against = batch.against[picture] if batch.against else None
    if against is None:
        return _spans(words, asked), None
    if asked.targets:
        raise UsageError("Targets are words of the answer; compared with another one, it is explained where they "
                         "begin to differ.", "Leave out one or the other.")
    place = next((place for place, (own, other) in enumerate(zip(batch.written[picture], against, strict=False))
                  if own != other), None)
    if place is None:
        raise UsageError(f"'{words.text}' and '{asked.against}' do not differ before one of them ends.",
                         "Compare with another answer.")
    return [(place, place + 1)], against[place]


def _begun(text: str) -> str:
    """The first letters of a long one."""
    return text if len(text) <= _LONGEST_COMPARED else f"{text[:_LONGEST_COMPARED].rstrip()}..."


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


def _spans(words: Words, asked: Asked) -> list[Span]:
    """Of each word, or of what is named in the place of all: a word or several in a row, a word's number, or "all"."""
    found = [(word.tokens[0], word.tokens[-1] + 1) for word in words_in(words.text, words.tokens)]
    if not found:
        raise MmxError("The answer that the model writes is empty: nothing is there to explain.",
                       'Give one: `answer="..."`.')
    return [_named(target, words, found) for target in asked.targets] or found


def _named(target: str | int, words: Words, found: list[Span]) -> Span:
    given = str(target).strip()
    if given.lower() == EVERY:
        return found[0][0], found[-1][1]
    for first in range(len(found)):
        for last in range(first, len(found)):
            start, stop = found[first][0], found[last][1]
            if words.text[slice(*_characters(words, start, stop))].lower() == given.lower():
                return start, stop
    if given.isdecimal() and int(given) < len(found):
        return found[int(given)]
    raise UsageError(f"'{given}' is not in the answer '{words.text}'.",
                     f"Name words of it, their numbers (0 to {len(found) - 1}), or '{EVERY}'.")


def _characters(words: Words, start: int, stop: int) -> Span:
    """Where in the text stands what some tokens say, without white space around it."""
    spans = [token.span for token in words.tokens[start:stop] if token.span is not None]
    said = words.text[spans[0][0]:spans[-1][1]]
    return spans[-1][1] - len(said.lstrip()), spans[0][0] + len(said.rstrip())


ASKING = TokensAsked
