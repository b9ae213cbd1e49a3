"""Every method, sign and modality of the test at once, on encoded inputs.

The steps of all of them run together, and an input that several keep alike runs once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmx.perturbation.following import Followed
from mmx.perturbation.forwards import Subsets, run_subsets
from mmx.perturbation.protocol import RemovalProtocol, drawn_ties, kept_by_step
from mmx.perturbation.removal import Inputs, Parts, Removal
from mmx.studies.perturb.curves import Key

Scores = Mapping[str, Mapping[str, Tensor]]
"""method → modality → scores (samples, tokens)"""


@dataclass(frozen=True)
class Combinations:
    """What is run on each sample.

    Attributes:
        tokens_at_once: words and regions that one forward of reduced inputs takes at most.
    """

    protocol: RemovalProtocol
    modalities: tuple[str, ...]
    signs: tuple[str, ...]
    tokens_at_once: int

    def follow(self, removal: Removal, inputs: Inputs, scores: Scores, followed: Mapping[str, Followed],
               seeds: Sequence[int]) -> dict[str, dict[Key, Tensor]]:
        """All that is followed, of every sample at every step, (samples, steps), of each combination.

        Args:
            seeds: of the ties among equal scores, one for each sample.
        """
        parts = removal.parts(inputs)
        kept = self.kept(scores, parts, seeds)
        subsets, sizes = joined(kept, parts), [mask.shape[0] * mask.shape[1] for mask in kept.values()]
        found = {}
        for name, one in followed.items():
            each = self._found(removal, inputs, subsets, parts, one).split(sizes)
            found[name] = {key: values.reshape(mask.shape[:2])
                           for (key, mask), values in zip(kept.items(), each, strict=True)}
        return found

    def kept(self, scores: Scores, parts: Parts, seeds: Sequence[int]) -> dict[Key, Tensor]:
        """What each combination keeps, (samples, steps, tokens) bool."""
        found: dict[Key, Tensor] = {}
        for modality in self.modalities:
            size = parts.present[modality].shape[1]
            ties = None if self.protocol.is_reference else drawn_ties(seeds, size)
            for method, by_modality in scores.items():
                for sign in self.signs:
                    found[method, modality, sign] = kept_by_step(by_modality[modality], modality, sign, self.protocol,
                                                                 parts, ties)
        return found

    def _found(self, removal: Removal, inputs: Inputs, subsets: Subsets, parts: Parts, followed: Followed) -> Tensor:
        """What keeps everything is the captured forward itself."""
        reduced = torch.stack([(subsets.kept[modality] != mask[subsets.samples]).any(dim=1)
                               for modality, mask in parts.present.items()]).any(dim=0)
        found = followed.whole[subsets.samples]
        if reduced.any():
            found[reduced] = run_subsets(removal, inputs, subsets[reduced], tokens_at_once=self.tokens_at_once,
                                         read=followed.read)
        return found


def joined(kept: Mapping[Key, Tensor], parts: Parts) -> Subsets:
    """The reduced inputs of all combinations, one after another."""
    return Subsets.joined([Subsets.of_steps(mask, modality, parts.present) for (_, modality, _), mask in kept.items()])
