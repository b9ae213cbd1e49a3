"""One modality and sign of the test on inputs that are encoded already, from scores to logits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmx.arrays import Float
from mmx.errors import UsageError, unknown_name
from mmx.perturbation.forwards import Subsets, run_subsets
from mmx.perturbation.memory import tokens_at_once
from mmx.perturbation.protocol import MODALITIES, drawn_ties, kept_by_step, protocol_named
from mmx.perturbation.removal import Inputs, Removal


@dataclass(frozen=True)
class Perturbation:
    """What was kept, by sample and step the positions in the modality, and what the model said.

    `removed` holds the share that each step removes, `logits` is what the model said at each: of its answers, or of
    each token of the vocabulary at each place of the answer in the inputs.
    """

    removed: tuple[float, ...]
    kept: list[list[list[int]]]
    logits: Float[Tensor, "samples steps *said"]

    def __repr__(self) -> str:
        return f"<Perturbation of {len(self.kept)} samples in {len(self.removed)} steps>"


def perturb(removal: Removal, inputs: Inputs, scores: Mapping[str, Float[Tensor, "samples _tokens"]], *, modality: str,
            sign: str, protocol: str, steps: Sequence[float] | None = None, seed: int = 0,
            max_memory: int | None = None) -> Perturbation:
    """Removes words or regions in the order of their scores and runs the model on what is left, all steps at once.

    Args:
        inputs: as the model's forward takes them, batched, on its device and in its dtype.
        scores: raw scores by modality.
        seed: of the ties among equal scores that the protocol "clean" draws.
    """
    if modality not in MODALITIES:
        raise unknown_name("modality", modality, list(MODALITIES))
    if modality not in scores:
        raise UsageError(f"There are no scores of the {modality}.", "Give what `attribute` returns.")
    plan = protocol_named(protocol, removal.reference, steps)
    parts = removal.parts(inputs, padding_counts=plan.is_reference)
    ranked = scores[modality].to(removal.network.device)
    ties = None if plan.is_reference else drawn_ties([seed + i for i in range(len(ranked))], ranked.shape[1])
    kept = kept_by_step(ranked, modality, sign, plan, parts, ties)
    if modality == "image" and plan.unmasks_regions:
        inputs = removal.unmasked(inputs)
    logits = run_subsets(removal, inputs, Subsets.of_steps(kept, modality, parts.present),
                         tokens_at_once=tokens_at_once(removal.network, max_memory))
    return Perturbation(plan.steps[modality], [[torch.nonzero(step).flatten().tolist() for step in one] for one in
                                               kept.cpu()], logits.unflatten(0, kept.shape[:2]))
