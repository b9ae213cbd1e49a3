"""All that the study asks of a model that answers questions; `Removal` has what it asks of a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from mmx.checkpoints.families import check_answers
from mmx.elements import Encoder, Prepared
from mmx.engine import attribute
from mmx.errors import MmxError, UsageError
from mmx.methods import Method
from mmx.perturbation.removal import Inputs, Removal
from mmx.results import Asked
from mmx.studies.models import Model


@dataclass(frozen=True)
class Answered:
    """A batch of questions that went through a model.

    Attributes:
        inputs: the batch as the model's forward takes it.
        scores: method → modality → scores, (samples, tokens).
        answers: the index of each sample's answer, (samples,).
    """

    inputs: Inputs
    scores: Mapping[str, Mapping[str, Tensor]]
    answers: Tensor


class AnsweringModel:
    """A model whose answers the test is about.

    Raises:
        UsageError: it answers no questions.
    """

    def __init__(self, model: Model) -> None:
        check_answers(model.family, model.info.name)
        self.model, self.removal = model, Removal(model.network, model.family)

    @property
    def on_cpu(self) -> bool:
        return self.model.info.device == "cpu"

    @property
    def answers(self) -> Sequence[str]:
        """The text of each answer. Raises UsageError where they are numbers: nothing can be right then."""
        answers = self.model.labels
        if list(answers[:2]) == ["answer 0", "answer 1"]:
            raise UsageError(f"What the answers of {self.model.info.name} are called is not known.",
                             "Add `answers=` with a JSON list of them, such as LXMERT's trainval_label2ans.json.")
        return answers

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

    def ask(self, questions: Sequence[str], seen: Sequence[Prepared], methods: Sequence[Method],
            seeds: Sequence[int]) -> Answered:
        """One batch, explained by every method out of one capture; `seeds` are of the random method, one a sample."""
        parts = self.model.parts
        assert parts.texts is not None
        inputs = self.model.to_model({**parts.texts.collate(parts.texts.prepare(questions)),
                                      **parts.pictures.collate(seen)})
        found = attribute(parts.model, inputs, methods, ignore_padding=True, seeds=seeds)
        return Answered(inputs, found.scores, found.outputs["logits"].argmax(dim=1))
