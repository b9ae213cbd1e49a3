"""A record for each sample of the perturbation test: its answers and their accuracies at every step.

Every method, sign and modality of a sample shares one capture. What is explained is always the model's own answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mmx.datasets.vqa import VqaSample
from mmx.errors import MmxError
from mmx.images import alike
from mmx.methods import Method
from mmx.studies.models import seed_of
from mmx.studies.perturb.answering import AnsweringModel
from mmx.studies.perturb.combinations import Combinations
from mmx.studies.perturb.curves import Key
from mmx.studies.perturb.pictures import Pictures, Seen
from mmx.studies.runs import Numbered, Record

_DIGITS = 6  # of an accuracy


@dataclass(frozen=True)
class PerturbationTest:
    """One way to run the test.

    Attributes:
        answers: the text of each of the model's answers.
        seed: of the random control, and of the ties among equal scores.
    """

    model: AnsweringModel
    methods: tuple[Method, ...]
    combinations: Combinations
    answers: Sequence[str]
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
        for indices in alike(seen.prepared.size for _, seen in usable):
            together = [usable[index] for index in indices]
            yield from self._answered([one for one, _ in together], [seen for _, seen in together])

    def _answered(self, samples: Sequence[Numbered[VqaSample]], seen: Sequence[Seen]) -> Iterator[Record]:
        questions = [sample.question for _, sample in samples]
        seeds = [seed_of(one.picture, question, str(self.seed)) for one, question in zip(seen, questions, strict=True)]
        batch = self.model.ask(questions, [one.prepared for one in seen], self.methods, seeds)
        answers = {key: indices.tolist() for key, indices in
                   self.combinations.answers(batch.inputs, batch.scores, batch.answers, seeds).items()}
        for place, ((number, sample), one) in enumerate(zip(samples, seen, strict=True)):
            target = self.answers[int(batch.answers[place])]
            yield {"id": number, "sample": sample.id, "image": sample.image, "image_hash": one.picture,
                   "question": sample.question, "target": target, "accuracy": _accuracy(sample, target),
                   "curves": self._nested({key: indices[place] for key, indices in answers.items()}, sample)}

    def _nested(self, answers: Mapping[Key, Sequence[int]], sample: VqaSample) -> Record:
        curves: Record = {}
        for (method, modality, sign), indices in answers.items():
            texts = [self.answers[index] for index in indices]
            curves.setdefault(method, {}).setdefault(modality, {})[sign] = {
                "answers": texts, "accuracies": [_accuracy(sample, text) for text in texts]}
        return curves


def failed(numbered: Numbered[VqaSample], error: str) -> Record:
    """The record of a sample that cannot be used."""
    return {"id": numbered[0], "sample": numbered[1].id, "error": error}


def _accuracy(sample: VqaSample, answer: str) -> float:
    return round(sample.truth.accuracy(answer), _DIGITS)
