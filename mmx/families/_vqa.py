"""What the families that answer a question about regions share: how a question and regions become inputs."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from mmx.capture import Chosen, Outputs
from mmx.families._removal import LXMERT_STEPS, MASKS, ReferenceTest, only_kept
from mmx.families.base import Family, Inputs, choose_classes
from mmx.regions.base import RegionSet


class VqaFamily(Family):
    """Answers questions about a picture's regions; a target is an answer.

    Class attributes:
        parts: names of the inputs of each modality, "text" and "image", the first of them one that must be there.
        reference_test: what the reference's perturbation test does with this family.
    """

    task: ClassVar[str] = "question answering"
    parts: ClassVar[Mapping[str, tuple[str, ...]]]
    reference_test: ClassVar[ReferenceTest] = ReferenceTest({"text": LXMERT_STEPS, "image": LXMERT_STEPS})

    @abstractmethod
    def region_features(self, config: PreTrainedConfig) -> int:
        """Size of a region's feature vector."""

    @abstractmethod
    def region_inputs(self, features: Tensor, boxes_xyxy_unit: Tensor, mask: Tensor) -> Inputs:
        """The model's own names for features (batch, n, dim), boxes (batch, n, 4) and mask (batch, n)."""

    def choose(self, outputs: Outputs, target: object) -> Chosen:
        samples, answers = choose_classes(outputs["logits"], target)
        return Chosen(outputs["logits"][samples, answers], samples)

    def answers(self, config: PreTrainedConfig) -> list[str]:
        """The text of every answer; "answer 7" where the config does not name it, or calls it "LABEL_7"."""
        names = config.id2label if self.names_answers(config) else {}
        return [str(names.get(index, f"answer {index}")) for index in range(self.answer_count(config))]

    def names_answers(self, config: PreTrainedConfig) -> bool:
        """Whether the config says what the answers are."""
        names = config.id2label
        return len(names) == self.answer_count(config) and names != {index: f"LABEL_{index}" for index in names}

    @abstractmethod
    def answer_count(self, config: PreTrainedConfig) -> int:
        """How many answers the model chooses from."""

    def longest_question(self, config: PreTrainedConfig) -> int:
        """Tokens that the model's position embeddings allow, special ones included."""
        return config.max_position_embeddings

    def encode(self, tokenizer: PreTrainedTokenizerBase, questions: Sequence[str],
               regions: Sequence[RegionSet]) -> Inputs:
        """One padded batch of what the model's forward takes."""
        text = tokenizer(list(questions), padding=True, return_tensors="pt", return_token_type_ids=True)
        features = pad_sequence([found.features for found in regions], batch_first=True)
        boxes = pad_sequence([found.boxes_xyxy_unit for found in regions], batch_first=True)
        counts = torch.tensor([len(found.features) for found in regions])
        mask = (torch.arange(features.shape[1]) < counts[:, None]).long()
        return {"input_ids": text["input_ids"], "attention_mask": text["attention_mask"],
                "token_type_ids": text["token_type_ids"], **self.region_inputs(features, boxes, mask)}

    def present(self, inputs: Inputs, padding_counts: bool = False) -> dict[str, Tensor]:
        """The words and regions of each sample, (batch, tokens) bool, with padding if that counts."""
        shapes = {modality: inputs[names[0]].shape[:2] for modality, names in self.parts.items()}
        device = inputs[self.parts["text"][0]].device
        return {modality: torch.ones(shape, dtype=torch.bool, device=device)
                if padding_counts or MASKS[modality] not in inputs else inputs[MASKS[modality]].bool()
                for modality, shape in shapes.items()}

    def never_removed(self, inputs: Inputs, present: Tensor) -> Tensor:
        """Words that stay whatever happens, (batch, tokens) bool: the first and the last one, [CLS] and [SEP]."""
        number = present.cumsum(dim=1)
        return present & ((number == 1) | (number == number[:, -1:]))

    def reduced(self, inputs: Inputs, samples: Tensor, kept: Mapping[str, Tensor],
                sizes: Mapping[str, int]) -> Inputs:
        """Rows with what is kept of a sample alone, see `only_kept`."""
        return only_kept(inputs, self.parts, samples, kept, sizes)

    def run_reduced(self, network: nn.Module, inputs: Inputs) -> Outputs:
        """Runs the model on reduced inputs, which may have lost all of their regions."""
        return self.run(network, inputs)
