"""One modality and sign of the test on encoded inputs, from scores to logits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmx.errors import UsageError
from mmx.families._vqa import VqaFamily
from mmx.families.base import Inputs
from mmx.registry import unknown_name
from mmx.studies.perturb.forwards import Subsets, run_subsets
from mmx.studies.perturb.memory import tokens_at_once
from mmx.studies.perturb.protocol import MODALITIES, protocol_named
from mmx.studies.perturb.subsets import drawn_ties, kept_by_step, parts_of


@dataclass(frozen=True)
class Perturbation:
    """What was kept, by sample and step the positions in the modality, and what the model said.

    `removed` holds the share that each step removes, `logits` is (samples, steps, classes).
    """

    removed: tuple[float, ...]
    kept: list[list[list[int]]]
    logits: Tensor


def perturb(network: nn.Module, family: VqaFamily, inputs: Inputs, scores: Mapping[str, Tensor], *, modality: str,
            sign: str, protocol: str, steps: Sequence[float] | None = None, seed: int = 0,
            max_memory: int | None = None) -> Perturbation:
    """Removes words or regions in the order of their scores and runs the model on what is left, all steps at once.

    Args:
        inputs: as the model's forward takes them, batched, on its device and in its dtype.
        scores: raw scores by modality, (samples, tokens) each.
        seed: of the lots that the protocol "clean" draws among equal scores.
    """
    if modality not in MODALITIES:
        raise unknown_name("modality", modality, list(MODALITIES))
    if modality not in scores:
        raise UsageError(f"There are no scores of the {modality}.", "Give what `attribute` returns.")
    plan = protocol_named(protocol, family, steps)
    parts = parts_of(family, inputs, padding_counts=plan.is_reference)
    ranked = scores[modality].to(network.device)
    ties = None if plan.is_reference else drawn_ties([seed + i for i in range(len(ranked))], ranked.shape[1])
    kept = kept_by_step(ranked, modality, sign, plan, parts, ties)
    if modality == "image" and plan.unmasks_regions:
        inputs = {name: value for name, value in inputs.items() if name != "visual_attention_mask"}
    logits = run_subsets(network, family, inputs, subsets_of_steps(kept, modality, parts.present),
                         tokens_at_once=tokens_at_once(network, max_memory))
    return Perturbation(plan.steps[modality], [[torch.nonzero(step).flatten().tolist() for step in one] for one in
                                               kept.cpu()], logits.reshape(*kept.shape[:2], -1))


def subsets_of_steps(kept: Tensor, modality: str, present: Mapping[str, Tensor]) -> Subsets:
    """The reduced inputs of every sample and step, sample by sample: one modality reduced, the other whole.

    `kept` is (samples, steps, tokens) bool.
    """
    samples = torch.arange(len(kept), device=kept.device).repeat_interleave(kept.shape[1])
    whole = {other: mask[samples] for other, mask in present.items()}
    return Subsets(samples, {**whole, modality: kept.flatten(0, 1)})
