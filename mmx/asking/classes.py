"""Answers and classes: a logit for each, of which any number is explained."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from mmx.arrays import Float
from mmx.asking.base import RUNNERS_UP, Answer, Asking, Batch, Each, choose_classes
from mmx.asking.naming import check_rival, index_of
from mmx.asking.scoring import Picked, scored_by
from mmx.capture import Chosen, Outputs
from mmx.errors import UsageError, one_of, plural, unknown_choice
from mmx.families.base import LOGIT, UNIT_OF_PROBLEM
from mmx.results import Asked, Item, Prediction, Unit

_SHOWN = 30


class ClassesAsked(Asking):
    @property
    def noun(self) -> str:  # type: ignore[override]
        return self.score.noun

    @property
    def unit(self) -> Unit:
        """What the logits become; what the config says of the problem goes first."""
        problem = getattr(self.subject.config, "problem_type", None)
        if problem is not None:
            return UNIT_OF_PROBLEM[problem]
        return "value" if len(self.subject.labels()) == 1 else self.score.unit

    def values(self, outputs: Outputs) -> Float[Tensor, "batch classes"]:
        """The logits in that unit."""
        logits = outputs["logits"].float()
        if self.unit == "softmax":
            return logits.softmax(dim=1)
        return logits.sigmoid() if self.unit == "sigmoid" else logits

    @property
    def scores(self) -> tuple[str, ...]:
        return (LOGIT,) if self.unit == "value" else super().scores

    def settled(self, asked: Asked) -> Asked:
        rival = None if asked.against is None else self._index(asked.against)
        targets = tuple(dict.fromkeys(map(self._index, asked.targets)))
        return check_rival(replace(asked, targets=targets, against=rival),
                           "" if rival is None else self.subject.labels()[rival])

    def check_position(self, asked: Asked) -> None:
        if asked.targets:
            raise UsageError("A function of the outputs is explained by itself here.", "Give it alone: `target=`.")

    def own_target(self, batch: Batch) -> object:
        return Each([one.targets or (None,) for one in batch.asked])

    def name_of(self, against: str | int, asked: Asked) -> str:
        return str(self.subject.labels()[int(against)])

    def picked(self, outputs: Outputs, target: object) -> Picked:
        samples, classes = choose_classes(outputs["logits"], target)
        return Picked(samples, classes,
                      lambda found, of: scored_by(found["logits"], self.by, self.unit)[samples, of])

    def said(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        [sample] = batch.samples[picture]
        values = self.values(outputs)[sample]
        places = (chosen.samples == sample).nonzero().flatten().tolist()
        assert chosen.targets is not None
        explained = [self._prediction(int(chosen.targets[place]), values) for place in places]
        items = [Item(self.noun, one.index, one.label, one.score, one.unit) for one in explained]
        best = values.topk(min(RUNNERS_UP, len(values))).indices.tolist()
        return Answer(tuple(zip(places, items, strict=True)), tuple(self._prediction(index, values) for index in best))

    def _prediction(self, index: int, values: Float[Tensor, " classes"]) -> Prediction:
        return Prediction(index, str(self.subject.labels()[index]), float(values[index]), self.unit)

    def _index(self, target: str | int) -> int:
        """By name, by one of the names in a label such as "tabby, tabby cat", or by index."""
        labels, text = self.subject.labels(), str(target).strip()
        matching = [] if isinstance(target, int) else _matching(text, labels)
        if len(matching) > 1:
            named = ", ".join(f"{index} ({labels[index]})" for index in matching)
            raise UsageError(f"'{text}' names several {plural(self.noun)}: {named}.", "Give the number of one.")
        index = matching[0] if matching else index_of(target, labels)
        if index is None:
            raise unknown_choice(f"'{text}' is not {one_of(self.noun)} of {self.subject.name}.", text,
                                 plural(self.noun), labels, _SHOWN)
        return index


def _matching(text: str, labels: Sequence[str]) -> list[int]:
    """Those whose whole label this is, or else those that have it among their names."""
    lowered = [label.lower() for label in labels]
    whole = [index for index, label in enumerate(lowered) if label == text.lower()]
    return whole or [index for index, label in enumerate(lowered)
                     if text.lower() in (name.strip() for name in label.split(","))]


ASKING = ClassesAsked
