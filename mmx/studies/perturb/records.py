"""A record for each sample of the perturbation test: what is followed, at every step.

Every method, sign and modality of a sample shares one capture. What is explained is always the model's own answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmx.datasets.vqa import VqaSample
from mmx.errors import MmxError
from mmx.images import alike
from mmx.methods import Method
from mmx.studies.models import seed_of
from mmx.studies.perturb.answering import ANSWERS, AnsweringModel, UnansweredError
from mmx.studies.perturb.combinations import Combinations
from mmx.studies.perturb.measures import ACCURACY, MEASURES, Measure
from mmx.studies.perturb.pictures import Pictures, Seen
from mmx.studies.runs import Numbered, Record

_DIGITS = 6


@dataclass(frozen=True)
class PerturbationTest:
    """One way to run the test.

    Attributes:
        follows: what is followed.
        seed: of the random control, and of the ties among equal scores.
    """

    model: AnsweringModel
    methods: tuple[Method, ...]
    combinations: Combinations
    follows: tuple[Measure, ...]
    pictures: Pictures
    seed: int

    def records(self, samples: Sequence[Numbered[VqaSample]]) -> Iterator[Record]:
        """A record for each sample; one that cannot be used has an "error" instead."""
        usable: list[tuple[Numbered[VqaSample], Seen]] = []
        for numbered, seen in zip(samples, self.pictures.look_up([one for _, one in samples]), strict=True):
            error = seen if isinstance(seen, MmxError) else self.model.refusal(numbered[1].question)
            if error is not None:
                yield failed(numbered, str(error))
            elif isinstance(seen, Seen):
                usable.append((numbered, seen))
        for indices in alike(self.model.size(sample.question, seen.prepared) for (_, sample), seen in usable):
            together = [usable[index] for index in indices]
            yield from self._answered([one for one, _ in together], [seen for _, seen in together])

    def _answered(self, samples: Sequence[Numbered[VqaSample]], seen: Sequence[Seen]) -> Iterator[Record]:
        questions = [sample.question for _, sample in samples]
        seeds = [seed_of(one.picture, question, str(self.seed)) for one, question in zip(seen, questions, strict=True)]
        try:
            batch = self.model.ask(questions, [one.prepared for one in seen], self.methods, seeds, self.follows)
        except UnansweredError as error:
            yield from (failed(samples[place], str(error)) for place in error.places)
            rest = [place for place in range(len(samples)) if place not in error.places]
            if rest:
                yield from self._answered([samples[place] for place in rest], [seen[place] for place in rest])
            return
        found = self.combinations.follow(batch.removal, batch.inputs, batch.scores, batch.followed, seeds)
        steps = {name: {key: values.tolist() for key, values in by_key.items()} for name, by_key in found.items()}
        whole = {name: one.whole.tolist() for name, one in batch.followed.items()}
        for place, ((number, sample), one) in enumerate(zip(samples, seen, strict=True)):
            curves: Record = {}
            for key in next(iter(steps.values())):
                method, modality, sign = key
                at = {name: by_key[key][place] for name, by_key in steps.items()}
                curves.setdefault(method, {}).setdefault(modality, {})[sign] = self._curve(at, sample)
            own = {measure.name: self._curve({name: [values[place]] for name, values in whole.items()},
                                             sample)[measure.plural][0] for measure in self.follows}
            yield {"id": number, "sample": sample.id, "image": sample.image, "image_hash": one.picture,
                   "question": sample.question, "target": batch.texts[place], **own, "curves": curves}

    def _curve(self, found: Mapping[str, Sequence[Any]], sample: VqaSample) -> Record:
        """What is followed, by the names that it has in a record."""
        curve: Record = {MEASURES[name].plural: [round(value, _DIGITS) for value in values]
                         for name, values in found.items() if name in MEASURES}
        if ANSWERS in found and sample.truth is not None:
            texts = [str(self.model.answers[index]) for index in found[ANSWERS]]
            curve |= {ANSWERS: texts,
                      ACCURACY.plural: [round(sample.truth.accuracy(text), _DIGITS) for text in texts]}
        return curve


def failed(numbered: Numbered[VqaSample], error: str) -> Record:
    """The record of a sample that cannot be used."""
    return {"id": numbered[0], "sample": numbered[1].id, "error": error}
