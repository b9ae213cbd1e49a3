"""All that the study asks of a model that answers questions about regions; `removal` has what it asks of a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmx.engine import attribute
from mmx.errors import MmxError, UsageError
from mmx.families._vqa import VqaFamily
from mmx.methods import Method
from mmx.regions.base import RegionProvider, RegionSet
from mmx.studies.models import Model, task_of
from mmx.studies.perturb.removal import Inputs, Removal
from mmx.tasks.precomputed import PrecomputedRegions

__all__ = ["Answered", "AnsweringModel", "PrecomputedRegions"]


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
        UsageError: it answers no questions about regions.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model.family, VqaFamily):
            raise UsageError(f"{model.info.name} does {task_of(model)}; this test is about answers to questions.",
                             "Name a model that answers: see 'mmx models'.")
        self.model, self.removal = model, Removal(model.network, model.family)

    @property
    def on_cpu(self) -> bool:
        return self.model.info.device == "cpu"

    @property
    def answers(self) -> list[str]:
        """The text of each answer. Raises UsageError where they are numbers: nothing can be right then."""
        answers = self.model.answers
        if len(answers) > 1 and answers[:2] == ["answer 0", "answer 1"]:
            raise UsageError(f"What the answers of {self.model.info.name} are called is not known.",
                             "Add --answers with a JSON list of them, such as LXMERT's trainval_label2ans.json.")
        return answers

    @property
    def provider(self) -> RegionProvider | PrecomputedRegions:
        """Where regions come from: pictures, or a file that knows pictures by name."""
        return self.model.region_provider

    @property
    def provider_options(self) -> dict[str, Any]:
        return self.model.region_options

    @property
    def region_identity(self) -> list[Any]:
        """What regions depend on beside picture and provider: the size of a region's features, and the device."""
        size = self.removal.family.region_features(self.model.network.config)
        return [size, self.model.info.device.partition(":")[0]]

    def refusal(self, question: str) -> MmxError | None:
        """Why a question cannot be asked, None where it can."""
        try:
            self.model.check(question)
        except MmxError as error:
            return error
        return None

    def ask(self, questions: Sequence[str], regions: Sequence[RegionSet], methods: Sequence[Method],
            seeds: Sequence[int]) -> Answered:
        """One batch, explained by every method out of one capture; `seeds` are of the random method, one a sample."""
        family, network = self.removal.family, self.removal.network
        inputs = self.model.to_model(family.encode(self.model.tokenizer, questions, regions))
        scores, outputs = attribute(network, family, inputs, methods, ignore_padding=True, seeds=seeds)
        return Answered(inputs, scores, outputs["logits"].argmax(dim=1))
