"""Object queries that are compared with texts: why a detector found what a text says, over picture and words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mmx.asking.base import Batch, Each
from mmx.asking.queries import QueriesAsked
from mmx.asking.scoring import Picked
from mmx.capture import Outputs
from mmx.errors import UsageError, unknown_choice
from mmx.results import Asked

_SHOWN = 10


@dataclass(frozen=True)
class OfOwnTexts:
    """What is explained of each sample, and the places of the texts that it is asked about among all of its batch."""

    target: Each
    places: Sequence[Sequence[int]]


class TextQueriesAsked(QueriesAsked):
    """The texts are the classes of the picture that they are asked about.

    Scores of things that are there are often below a half: the threshold is the one of transformers' post-processing.
    """

    threshold = 0.1

    def names(self, asked: Asked) -> Sequence[str]:
        return asked.texts

    def columns(self, batch: Batch, picture: int) -> Sequence[int]:
        return batch.places(picture)

    def unknown(self, name: str, names: Sequence[str]) -> UsageError:
        return unknown_choice(f"'{name}' is none of the texts.", name, "texts", names, _SHOWN)

    def texts_of(self, asked: Asked) -> tuple[str | None, ...]:
        return (None,)

    def shared_texts(self, batch: Batch) -> tuple[str, ...]:
        """For each picture anew, as forward takes them."""
        return batch.texts * len(batch.asked)

    def text_entry(self, batch: Batch, picture: int, number: int) -> int:
        [sample] = batch.samples[picture]
        return sample * len(batch.texts) + batch.places(picture)[number]

    def own_target(self, batch: Batch) -> object:
        target = super().own_target(batch)
        assert isinstance(target, Each)
        return OfOwnTexts(target, [batch.places(picture) for picture in range(len(batch.asked))])

    def picked(self, outputs: Outputs, target: object) -> Picked:
        """`target`: as of a detector, (query, text or None for the surest); a detection is of its surest text."""
        logits = outputs["logits"]
        if isinstance(target, OfOwnTexts):
            others = torch.ones(len(logits), 1, logits.shape[2], dtype=torch.bool)
            for sample, places in enumerate(target.places):
                others[sample, 0, list(places)] = False
            outputs = {**outputs, "logits": logits.masked_fill(others.to(logits.device), -torch.inf)}
            target = target.target
        picked = super().picked(outputs, target)
        entries = {"text": picked.samples * logits.shape[2] + picked.targets}
        return replace(picked, more={**picked.more, "entries": entries})


ASKING = TextQueriesAsked
