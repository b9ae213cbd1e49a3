"""All that the study asks of a model that answers questions; `Removal` has what it asks of a network."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mmx.arrays import Int
from mmx.asking.tokens import Spans
from mmx.checkpoints.families import check_answers
from mmx.elements import Encoder, Prepared
from mmx.elements.prompt_pixels import PreparedPictures
from mmx.engine import Attribution, attribute
from mmx.errors import MmxError, UsageError
from mmx.methods import Method
from mmx.model.batching import Group, Job
from mmx.perturbation.following import Followed, chosen_answers, log_probabilities
from mmx.perturbation.prompted import PromptRemoval
from mmx.perturbation.removal import Inputs, Removal
from mmx.results import Asked, Picture, Words
from mmx.studies.models import Model
from mmx.studies.perturb.measures import ACCURACY, LOG_PROBABILITY, Measure

ANSWERS = "answers"
"""What is followed where accuracy is: the index of each answer."""


@dataclass(frozen=True)
class Answered:
    """A batch of questions that went through a model.

    Attributes:
        removal: what can be removed of the batch.
        inputs: the batch as the model's forward takes it.
        scores: method → modality → scores, (samples, tokens).
        texts: each sample's answer.
        followed: the index of the answer under ANSWERS, and the measures by name.
    """

    removal: Removal
    inputs: Inputs
    scores: Mapping[str, Mapping[str, Tensor]]
    texts: Sequence[str]
    followed: Mapping[str, Followed]


class UnansweredError(MmxError):
    """The model writes nothing about some samples of a batch, those at `places`."""

    def __init__(self, places: Sequence[int]) -> None:
        super().__init__("The answer that the model writes is empty: there is nothing to follow.")
        self.places = tuple(places)


class AnsweringModel(ABC):
    """A model whose answers the test is about; see `answering_model`."""

    def __init__(self, model: Model) -> None:
        self.model, self.removal = model, Removal(model.network, model.family)

    @property
    def on_cpu(self) -> bool:
        return self.model.info.device == "cpu"

    @property
    @abstractmethod
    def answers(self) -> Sequence[str]:
        """The text of each answer by its index, as far as they are known."""

    @property
    def answers_sha256(self) -> str | None:
        """Hash of the answers' names, None where there is no list of them."""
        return None

    @abstractmethod
    def follows(self, with_truth: bool) -> tuple[Measure, ...]:
        """What is followed, where it is known which answers are right or else is not."""

    @property
    def pictures(self) -> Encoder:
        """What makes inputs of pictures."""
        return self.model.parts.pictures

    def refusal(self, question: str) -> MmxError | None:
        """Why a question cannot be asked, None where it can."""
        try:
            self.model.check(Asked(question))
        except MmxError as error:
            return error
        return None

    def size(self, question: str, seen: Prepared) -> Hashable:
        """What must be equal where several run together."""
        return seen.size, self.model.parts.text_sizes(Asked(question))

    def ask(self, questions: Sequence[str], seen: Sequence[Prepared], methods: Sequence[Method],
            seeds: Sequence[int], follows: Sequence[Measure]) -> Answered:
        """One batch, explained by every method out of one capture; `seeds` are of the random method, one a sample.

        Raises:
            UnansweredError: there is nothing to explain of some samples.
        """
        parts, asking = self.model.parts, self.model.asking
        about = [Job(_NOWHERE, parts.settled(asking.whole(Asked(question)))) for question in questions]
        group = Group(parts, about, seen)
        unanswered = [place for place, words in enumerate(group.batch.answers) if not words.text.strip()]
        if unanswered:
            raise UnansweredError(unanswered)
        target = asking.target(group.batch)
        found = attribute(parts.model, group.inputs, methods, target, ignore_padding=True, seeds=seeds)
        removal = removal_of(group)
        return Answered(removal, group.inputs, found.scores, *self._followed(removal, group, found, target, follows))

    @abstractmethod
    def _followed(self, removal: Removal, group: Group, found: Attribution, target: object,
                  follows: Sequence[Measure]) -> tuple[Sequence[str], Mapping[str, Followed]]:
        """The answers, and what is followed."""


_NOWHERE = Picture(None, "", "", size_px=(1, 1))
"""In the place of a picture of which only what the model takes is known."""


class Choosing(AnsweringModel):
    """One that has a list of answers."""

    @property
    def answers(self) -> Sequence[str]:
        """Raises UsageError where they are numbers: nothing can be right then."""
        answers = self.model.labels
        if list(answers[:2]) == ["answer 0", "answer 1"]:
            raise UsageError(f"What the answers of {self.model.info.name} are called is not known.",
                             "Add `answers=` with a JSON list of them, such as LXMERT's trainval_label2ans.json.")
        return answers

    @property
    def answers_sha256(self) -> str:
        return hashlib.sha256("\0".join(self.answers).encode()).hexdigest()

    def follows(self, with_truth: bool) -> tuple[Measure, ...]:
        return (ACCURACY,)

    def _followed(self, removal: Removal, group: Group, found: Attribution, target: object,
                  follows: Sequence[Measure]) -> tuple[Sequence[str], Mapping[str, Followed]]:
        chosen = found.outputs["logits"].argmax(dim=1)
        texts = [str(self.answers[index]) for index in chosen.tolist()]
        return texts, {ANSWERS: chosen_answers(removal, chosen)}


class Writing(AnsweringModel):
    """One that writes its answers: how probable its own stays, and, where that can be told, how right a new one is."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._answers: list[str] = []
        self._indices: dict[str, int] = {}

    @property
    def answers(self) -> Sequence[str]:
        return self._answers

    def follows(self, with_truth: bool) -> tuple[Measure, ...]:
        return (LOG_PROBABILITY, *([ACCURACY] if with_truth else []))

    def _followed(self, removal: Removal, group: Group, found: Attribution, target: object,
                  follows: Sequence[Measure]) -> tuple[Sequence[str], Mapping[str, Followed]]:
        seen = self.model.asking.log_probabilities(found.outputs, target)
        assert isinstance(target, Spans) and seen is not None
        texts = [words.text for words in group.batch.answers]
        followed = {LOG_PROBABILITY.name: log_probabilities(removal, self.model.asking, target, seen)}
        if ACCURACY in follows:
            followed[ANSWERS] = Followed(self._index(texts, seen), partial(self._written, removal, target))
        return texts, followed

    def _written(self, removal: Removal, target: Spans, reduced: Inputs,
                 samples: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
        """What is written anew of reduced inputs."""
        encoder = self.model.parts.answers
        assert encoder is not None
        asked = removal.asked(reduced, target.at(samples.tolist()))
        found = [words.text for one in encoder.written(self.model.network, asked) for words in one.elements
                 if isinstance(words, Words)]
        return self._index(found, samples)

    def _index(self, texts: Sequence[str], like: Tensor) -> Int[Tensor, " texts"]:
        for text in texts:
            if text not in self._indices:
                self._indices[text] = len(self._answers)
                self._answers.append(text)
        return torch.tensor([self._indices[text] for text in texts], dtype=torch.long, device=like.device)


def removal_of(group: Group) -> Removal:
    """What can be removed of what runs together."""
    network, family = group.model.network, group.model.family
    pictures = [one for one in group.pictures if isinstance(one, PreparedPictures)]
    if not pictures:
        return Removal(network, family)
    assert group.parts.texts is not None
    questions = tuple(tuple(not token.special for token in words.tokens)
                      for one in group.texts for words in one.elements if isinstance(words, Words))
    padding = group.parts.texts.tokenizer.pad_token_id or 0
    return PromptRemoval(network, family, questions, tuple(one.tilings[0] for one in pictures), padding)


def answering_model(model: Model) -> AnsweringModel:
    """Raises UsageError where it answers no questions."""
    check_answers(model.family, model.info.name)
    return Writing(model) if model.family.writes else Choosing(model)
