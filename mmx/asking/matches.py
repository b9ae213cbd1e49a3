"""A picture with a text in one model, which says whether they match: each text is a sample of its own."""

from typing import ClassVar

from mmx.asking.base import Answer, Asking, Batch, Each, choose_classes
from mmx.asking.naming import chosen_texts, explained_texts
from mmx.asking.scoring import Picked, scored_by
from mmx.capture import Chosen, Outputs
from mmx.families.base import LOGIT
from mmx.results import Asked, Item, Prediction, Unit


class MatchesAsked(Asking):
    noun: ClassVar = "text"

    @property
    def scores(self) -> tuple[str, ...]:
        """Where one logit stands alone there is no other: a softmax over the texts is of several runs."""
        return (LOGIT,) if self.score.unit == "logit" else super().scores

    def settled(self, asked: Asked) -> Asked:
        return chosen_texts(asked)

    def texts_of(self, asked: Asked) -> tuple[str | None, ...]:
        return asked.texts

    def own_target(self, batch: Batch) -> object:
        """That they match, of each text that is explained."""
        return Each([(self.score.match,) if number in explained_texts(asked) else ()
                     for asked in batch.asked for number in range(len(asked.texts))])

    def picked(self, outputs: Outputs, target: object) -> Picked:
        """`target`: a class of the head, or several, as of classes; None is the predicted one."""
        samples, classes = choose_classes(outputs["logits"], target)
        return Picked(samples, classes,
                      lambda found, of: scored_by(found["logits"], self.by, self.score.unit)[samples, of])

    def said(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        asked, samples = batch.asked[picture], list(batch.samples[picture])
        logits = outputs["logits"].float()[samples].cpu()
        raw = logits[:, self.score.match]
        alone = self.score.unit == "logit"
        shares = (raw.softmax(0) if alone else logits.softmax(1)[:, self.score.match]).tolist()
        measured: dict[Unit, list[float]] = {"softmax": shares, "logit": raw.tolist()}
        own: Unit = self.score.unit
        other: Unit = "softmax" if alone else "logit"
        items = []
        for number in explained_texts(asked):
            [place] = (chosen.samples == samples[number]).nonzero().flatten().tolist()
            items.append((place, Item(self.noun, number, asked.texts[number], measured[own][number], own,
                                      also={other: measured[other][number]})))
        ranked = [Prediction(number, text, shares[number], "softmax") for number, text in enumerate(asked.texts)]
        return Answer(tuple(items), tuple(sorted(ranked, key=lambda one: -one.score)))


ASKING = MatchesAsked
