"""Pictures and texts that two towers match: an item is a pair of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmx.arrays import Float
from mmx.asking.base import Answer, Asking, Batch
from mmx.asking.naming import chosen_texts, explained_texts
from mmx.asking.scoring import Picked, scored_by
from mmx.capture import Chosen, Outputs
from mmx.errors import UsageError
from mmx.families.base import LOGIT, LOGPROB, PROBABILITY, SIMILARITY
from mmx.results import Asked, Item, Prediction, Unit


@dataclass(frozen=True)
class OfOwnTexts:
    """Pairs, and of each picture the places of the texts that it is asked about, among all of its batch."""

    pairs: list[tuple[int, int]]
    places: Sequence[Sequence[int]]


class PairsAsked(Asking):
    noun: ClassVar = "text"

    @property
    def scores(self) -> tuple[str, ...]:
        return LOGIT, SIMILARITY, PROBABILITY, LOGPROB

    def shared_texts(self, batch: Batch) -> tuple[str, ...]:
        return batch.texts

    def text_entry(self, batch: Batch, picture: int, number: int) -> int:
        return batch.places(picture)[number]

    def settled(self, asked: Asked) -> Asked:
        return chosen_texts(asked)

    def texts_of(self, asked: Asked) -> tuple[str | None, ...]:
        return (None,)

    def parted(self, outputs: Outputs, copies: int) -> list[Outputs]:
        """Each time's pictures with that time's texts."""
        return [{**part, "logits": part["logits"].chunk(copies, dim=1)[place]}
                for place, part in enumerate(super().parted(outputs, copies))]

    def own_target(self, batch: Batch) -> object:
        return OfOwnTexts([(picture, batch.places(picture)[number]) for picture, asked in enumerate(batch.asked)
                           for number in explained_texts(asked)],
                          [batch.places(picture) for picture in range(len(batch.asked))])

    def rival(self, batch: Batch, picture: int) -> int | None:
        number = super().rival(batch, picture)
        return None if number is None else batch.places(picture)[number]

    def name_of(self, against: str | int, asked: Asked) -> str:
        return asked.texts[int(against)]

    def picked(self, outputs: Outputs, target: object) -> Picked:
        """`target`: (image, text), a list of such pairs, or None for every pair, image by image."""
        logits, places = outputs["logits"], None
        if isinstance(target, OfOwnTexts):
            target, places = target.pairs, target.places
        if target is None:
            images, texts = (one.flatten() for one in torch.meshgrid(
                *(torch.arange(size, device=logits.device) for size in logits.shape), indexing="ij"))
        else:
            pairs = [target] if isinstance(target, tuple) else target
            _check(pairs, *logits.shape)
            images, texts = torch.tensor(pairs, device=logits.device).unbind(1)
        return Picked(images, texts, lambda found, of: self._values(found, places)[images, of],
                      {"entries": {"text": texts}, "scale": self._scale(outputs)}, mixes=self._shares_out)

    def _scale(self, outputs: Outputs) -> Float[Tensor, ""] | float:
        """How many times the similarity a score is."""
        return outputs["scale"].detach().flatten()[0] if self.by == LOGIT else 1.0

    @property
    def _shares_out(self) -> bool:
        """Whether one text's score depends on the other texts."""
        return self.by in (PROBABILITY, LOGPROB) and self.score.unit != "sigmoid"

    def _values(self, outputs: Outputs, places: Sequence[Sequence[int]] | None) -> Float[Tensor, "pictures texts"]:
        """What is differentiated, of each pair; a softmax is over a picture's own texts."""
        logits = outputs["logits"]
        if self.by == SIMILARITY:
            return _cosines(logits, outputs)
        if self._shares_out and places is not None:
            others = torch.ones(logits.shape, dtype=torch.bool)
            for picture, own in enumerate(places):
                others[picture, list(own)] = False
            logits = logits.masked_fill(others.to(logits.device), -torch.inf)
        return scored_by(logits, self.by, self.score.unit)

    def said(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        asked = batch.asked[picture]
        own: Unit = self.score.unit
        [sample] = batch.samples[picture]
        measured = self._measured(outputs["logits"][sample].float()[batch.places(picture)], outputs)
        places = (chosen.samples == sample).nonzero().flatten().tolist()
        items = [Item(self.noun, number, asked.texts[number], float(measured[own][number]), own,
                      also={unit: float(values[number]) for unit, values in measured.items() if unit != own})
                 for number in explained_texts(asked)]
        unit: Unit = "softmax" if own == "similarity" else own
        ranked = [Prediction(number, text, share, unit)
                  for number, (text, share) in enumerate(zip(asked.texts, measured[unit].tolist(), strict=True))]
        return Answer(tuple(zip(places, items, strict=True)), tuple(sorted(ranked, key=lambda one: -one.score)))

    def _measured(self, logits: Float[Tensor, " texts"], outputs: Outputs) -> dict[Unit, Float[Tensor, " texts"]]:
        """Of the texts of a picture, by unit."""
        share: Unit = "sigmoid" if self.score.unit == "sigmoid" else "softmax"
        shares = logits.sigmoid() if share == "sigmoid" else logits.softmax(0)
        found: dict[Unit, Tensor] = {"similarity": _cosines(logits, outputs), share: shares, "logit": logits}
        return {name: values.flatten().cpu() for name, values in found.items()}


def _cosines(logits: Float[Tensor, "*pairs"], outputs: Outputs) -> Float[Tensor, "*pairs"]:
    return (logits - outputs.get("bias", 0.0)) / outputs["scale"]


def _check(pairs: object, images: int, texts: int) -> None:
    if not (isinstance(pairs, list) and pairs and all(isinstance(one, tuple) and len(one) == 2 for one in pairs)):
        raise UsageError(f"A target here is (image, text) or a list of such pairs, not {pairs!r}.")
    for image, text in pairs:
        if not (0 <= image < images and 0 <= text < texts):
            raise UsageError(f"There is no pair ({image}, {text}) of {images} images and {texts} texts.")


ASKING = PairsAsked
