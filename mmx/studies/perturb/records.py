"""The VQA perturbation test (Chefer, Gur & Wolf 2021, section 5.1): accuracy as words or regions are removed.

Every method, sign and modality of a sample shares one capture. What is explained is always the model's own answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from mmx.datasets.vqa import VqaSample
from mmx.engine import attribute
from mmx.errors import MmxError
from mmx.explainer import Model, seed_of
from mmx.families._vqa import VqaFamily
from mmx.methods import Method
from mmx.studies.perturb.combinations import Combinations, Key
from mmx.studies.perturb.protocol import Protocol
from mmx.studies.perturb.regions import FileRegions, ProvidedRegions, Seen

Record = dict[str, Any]
Numbered = tuple[int, VqaSample]
_DIGITS = 6  # of an accuracy


@dataclass(frozen=True)
class PerturbationTest:
    """One way to run the test.

    Attributes:
        answers: the text of each of the model's answers.
        seed: of the random control, and of the lots that are drawn among equal scores.
        tokens_at_once: words and regions that one forward of reduced inputs takes at most.
    """

    model: Model
    methods: tuple[Method, ...]
    protocol: Protocol
    modalities: tuple[str, ...]
    signs: tuple[str, ...]
    answers: Sequence[str]
    regions: ProvidedRegions | FileRegions
    seed: int
    tokens_at_once: int

    @cached_property
    def _family(self) -> VqaFamily:
        return cast(VqaFamily, self.model.family)

    @cached_property
    def _combinations(self) -> Combinations:
        return Combinations(self.model.network, self._family, self.protocol, self.modalities, self.signs,
                            self.tokens_at_once)

    def records(self, samples: Sequence[Numbered]) -> Iterator[Record]:
        """A record for each sample; one that cannot be used has an "error" instead."""
        asked: list[tuple[Numbered, Seen]] = []
        for numbered, found in zip(samples, self.regions.look_up([one for _, one in samples]), strict=True):
            error = found if isinstance(found, MmxError) else self._refusal(numbered[1])
            if error is not None:
                yield {"id": numbered[0], "sample": numbered[1].id, "error": str(error)}
            elif isinstance(found, Seen):
                asked.append((numbered, found))
        if asked:
            yield from self._answered([one for one, _ in asked], [seen for _, seen in asked])

    def _refusal(self, sample: VqaSample) -> MmxError | None:
        try:
            self.model.check(sample.question)
        except MmxError as error:
            return error
        return None

    def _answered(self, samples: Sequence[Numbered], seen: Sequence[Seen]) -> Iterator[Record]:
        questions = [sample.question for _, sample in samples]
        inputs = self.model.to_model(
            self._family.encode(self.model.tokenizer, questions, [one.regions for one in seen]))
        seeds = [seed_of(one.picture, question, str(self.seed)) for one, question in zip(seen, questions, strict=True)]
        scores, outputs = attribute(self.model.network, self._family, inputs, self.methods, ignore_padding=True,
                                    seeds=seeds)
        whole = outputs["logits"].argmax(dim=1)
        found = {key: answers.tolist() for key, answers in
                 self._combinations.answers(inputs, scores, whole, seeds).items()}
        for place, ((number, sample), one) in enumerate(zip(samples, seen, strict=True)):
            target = self.answers[int(whole[place])]
            yield {"id": number, "sample": sample.id, "image": sample.image, "picture": one.picture[:16],
                   "question": sample.question, "target": target, "accuracy": _accuracy(sample, target),
                   "curves": self._nested({key: answers[place] for key, answers in found.items()}, sample)}

    def _nested(self, answers: Mapping[Key, Sequence[int]], sample: VqaSample) -> Record:
        curves: Record = {}
        for (method, modality, sign), indices in answers.items():
            texts = [self.answers[index] for index in indices]
            curves.setdefault(method, {}).setdefault(modality, {})[sign] = {
                "answers": texts, "accuracies": [_accuracy(sample, text) for text in texts]}
        return curves


def _accuracy(sample: VqaSample, answer: str) -> float:
    return round(sample.truth.accuracy(answer), _DIGITS)

