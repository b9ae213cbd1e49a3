"""All that removing words and regions asks of a network: the one place of this study that knows families."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mmx.families._removal import ReferenceTest
from mmx.families._vqa import VqaFamily

__all__ = ["Inputs", "Parts", "ReferenceTest", "Removal"]

Inputs = Mapping[str, Tensor]
"""What the model's forward takes, batched."""


@dataclass(frozen=True)
class Parts:
    """The words and regions of a batch, (batch, tokens) bool by modality: those there are, and those that may go."""

    present: Mapping[str, Tensor]
    removable: Mapping[str, Tensor]


@dataclass(frozen=True)
class Removal:
    """A network that can be run on a part of its inputs."""

    network: nn.Module
    family: VqaFamily

    @property
    def reference(self) -> ReferenceTest:
        """What the reference's test does with this kind of model."""
        return self.family.reference_test

    def parts(self, inputs: Inputs, padding_counts: bool = False) -> Parts:
        """What inputs consist of; padding is a part where that counts."""
        present = self.family.present(inputs, padding_counts)
        words = present["text"] & ~self.family.never_removed(inputs, present["text"])
        return Parts(present, {"text": words, "image": present["image"]})

    def logits(self, inputs: Inputs, samples: Tensor, kept: Mapping[str, Tensor], sizes: Mapping[str, int]) -> Tensor:
        """What the model says of reduced inputs, (rows, classes).

        Args:
            inputs: the whole samples.
            samples: the sample that each row is made of, (rows,).
            kept: what is kept of it, (rows, tokens) bool, by modality.
            sizes: tokens that rows are padded to by modality, 1 at least; no row keeps more.
        """
        return self.family.run_reduced(self.network, self.family.reduced(inputs, samples, kept, sizes))["logits"]

    def unmasked(self, inputs: Inputs) -> Inputs:
        """Inputs whose padded regions are looked at like any other."""
        return {name: value for name, value in inputs.items() if name != "visual_attention_mask"}
