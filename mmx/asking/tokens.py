"""An answer that the model wrote, or was given: an item is a word of it, or several words in a row."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from mmx.arrays import Float, Int
from mmx.asking.base import Answer, Asking, Batch, Each
from mmx.capture import Chosen, Outputs
from mmx.errors import MmxError, UsageError
from mmx.results import Asked, Item, Prediction, Words, words_in

Span = tuple[int, int]
"""Tokens of an answer, from the first to before the last."""
EVERY = "all"


class TokensAsked(Asking):
    noun: ClassVar = "word"

    def settled(self, asked: Asked) -> Asked:
        return replace(asked, targets=tuple(dict.fromkeys(asked.targets)))

    def counts(self, asked: Asked) -> bool:
        return asked.answer is not None

    @property
    def example(self) -> Asked:
        return Asked(answer="a")

    def target(self, batch: Batch) -> object:
        return Each([_spans(words, asked) for words, asked in zip(batch.answers, batch.asked, strict=True)])

    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """`target`: the place of a token in the answer's ids, explained by its logit; or (start, stop), tokens that
        are explained by the sum of their log-probabilities; or a list of them. None is the whole answer.
        """
        logits, ids = outputs["logits"], outputs["ids"]
        batch, length = ids.shape
        items = _items(target, batch, length)
        samples, starts, stops = torch.tensor(items, dtype=torch.long, device=ids.device).reshape(-1, 3).unbind(1)
        places = torch.arange(length - 1, device=ids.device)
        read = (places >= starts[:, None] - 1) & (places < stops[:, None] - 1)
        weights = torch.nn.functional.pad(read, (0, 1)).to(logits.dtype)
        each = _each_token(logits, ids)
        alone = stops - starts == 1
        scores = torch.where(alone, each["logit"][samples, starts - 1],
                             torch.where(read, each["log"][samples], 0).sum(dim=1))
        several = any(stop - start > 1 for _, start, stop in items)
        return Chosen(scores, samples, positions=starts - 1, targets=starts, weights=weights if several else None)

    def answer(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        [sample], words = batch.samples[picture], batch.answers[picture]
        logs = _each_token(outputs["logits"][sample:sample + 1].float(), outputs["ids"][sample:sample + 1])["log"][0]
        places = (chosen.samples == sample).nonzero().flatten().tolist()
        items = []
        for place, (start, stop) in zip(places, _spans(words, batch.asked[picture]), strict=True):
            share, text = float(logs[start - 1:stop - 1].sum().exp()), _text(words, start, stop)
            items.append((place, Item(self.noun, 0 if text == words.text else start, text, share, "softmax")))
        whole = float(logs[:len(words) - 1].sum().exp())
        return Answer(tuple(items), (Prediction(0, words.text, whole, "softmax"),))


def _each_token(logits: Float[Tensor, "batch tokens vocabulary"],
                ids: Int[Tensor, "batch tokens"]) -> dict[str, Float[Tensor, "batch _but_the_first"]]:
    """The logit and the log-probability of each token but the first, out of the place before it."""
    before, next_ids = logits[:, :-1], ids[:, 1:, None]
    found = before.gather(2, next_ids).squeeze(2)
    return {"logit": found, "log": found - before.logsumexp(dim=2)}


def _items(target: object, batch: int, length: int) -> list[tuple[int, int, int]]:
    """(sample, start, stop) of each item."""
    if isinstance(target, Each):
        return [(sample, *span) for sample, spans in enumerate(target.of_each) for span in spans]
    several = target if isinstance(target, list) else [(1, length) if target is None else target] * batch
    if batch > 1 and len(several) != batch:
        raise UsageError(f"{len(several)} targets were given for {batch} samples.", "Give one, or one for each.")
    return [(sample if batch > 1 else 0, *_checked(one, length)) for sample, one in enumerate(several)]


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
            if _text(words, found[first][0], found[last][1]).lower() == given.lower():
                return found[first][0], found[last][1]
    if given.isdecimal() and int(given) < len(found):
        return found[int(given)]
    raise UsageError(f"'{given}' is not in the answer '{words.text}'.",
                     f"Name words of it, their numbers (0 to {len(found) - 1}), or '{EVERY}'.")


def _text(words: Words, start: int, stop: int) -> str:
    """What some tokens say."""
    spans = [token.span for token in words.tokens[start:stop] if token.span is not None]
    return words.text[spans[0][0]:spans[-1][1]].strip()


ASKING = TokensAsked
