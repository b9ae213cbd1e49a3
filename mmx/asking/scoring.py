"""What is differentiated: a logit or what it becomes, less that of something else, or a function of the outputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from mmx.arrays import Float, Int, Shaped
from mmx.capture import Chosen, Outputs
from mmx.capture.maps import full
from mmx.errors import UsageError
from mmx.families.base import LOGPROB, PROBABILITY
from mmx.results import Asked, Function, Unit

Rival = TypeVar("Rival")


@dataclass(frozen=True)
class Compared:
    """A target, and what it is compared with: one for all samples, or one for each of them, None for nothing."""

    target: object
    rivals: int | Sequence[int | None]


@dataclass(frozen=True)
class ByFunction:
    """A function of the outputs that gives each sample one score, and the target whose rows explain it."""

    function: Function
    target: object = None


@dataclass(frozen=True)
class Picked:
    """Items that are not scored yet; see `Chosen`.

    Attributes:
        score: what they score in some outputs, with these targets in the place of their own.
        mixes: in a stream whose batch is not the samples', a score depends on several entries.
    """

    samples: Int[Tensor, " items"]
    targets: Int[Tensor, " items"]
    score: Callable[[Outputs, Int[Tensor, " items"]], Float[Tensor, " items"]]
    more: dict[str, Any] = field(default_factory=dict)
    mixes: bool = False

    def chosen(self, score_of: Callable[[Outputs], Float[Tensor, " items"]], outputs: Outputs, mixes: bool) -> Chosen:
        """Scored in these outputs."""
        apart = tuple(range(len(self.samples))) if self.more.get("entries") and (mixes or self.mixes) else None
        return Chosen.by(score_of, outputs, self.samples, targets=self.targets, turns=apart, **self.more)

    def by_own(self, outputs: Outputs) -> Chosen:
        return self.chosen(lambda found: self.score(found, self.targets), outputs, False)

    def by_contrast(self, outputs: Outputs, rivals: int | Sequence[int | None], samples: int) -> Chosen:
        """Less the score of each sample's rival.

        Raises:
            UsageError: there are not as many rivals as samples, or one is the target itself.
        """
        several = [rivals] * samples if isinstance(rivals, int) else list(rivals)
        if len(several) != samples:
            raise UsageError(f"{len(several)} things to compare with were given for {samples} samples.",
                             "Give one, or one for each.")
        others = torch.tensor([-1 if one is None else one for one in several], device=self.samples.device)[self.samples]
        if bool((others == self.targets).any()):
            raise UsageError("What is explained would be compared with itself.",
                             "Name another `target=`, or another `against=`.")

        def score_of(found: Outputs) -> Float[Tensor, " items"]:
            own, theirs = self.score(found, self.targets), self.score(found, others.clamp(min=0))
            return torch.where(others < 0, own, own - theirs)

        return self.chosen(score_of, outputs, True)

    def by_function(self, function: Function, outputs: Outputs, shown: Callable[[Outputs], Outputs]) -> Chosen:
        """By a function of the outputs as they are shown to it. Raises UsageError for what is no score of samples."""
        given = shown(outputs)
        checked(function, function(given), given)
        whole = replace(self, more={**self.more, "scale": 1.0})
        return whole.chosen(lambda found: function(shown(found))[self.samples], outputs, True)


def taken_apart(target: object) -> tuple[object, int | Sequence[int | None] | None, Function | None]:
    """The target in its kind's own terms, its rivals, and the function that scores it."""
    if isinstance(target, Compared):
        return target.target, target.rivals, None
    if isinstance(target, ByFunction):
        return target.target, None, target.function
    if callable(target):
        return None, None, target
    if isinstance(target, tuple) and len(target) == 2 and callable(target[0]):
        return target[1], None, target[0]
    return target, None, None


def scored_by(logits: Shaped[Tensor, "*rest classes"], by: str, unit: Unit) -> Shaped[Tensor, "*rest classes"]:
    """Logits, or the probabilities that they become in a softmax or a sigmoid, or the logarithms of these."""
    if by not in (PROBABILITY, LOGPROB):
        return logits
    logits, log = full(logits), by == LOGPROB
    if unit == "sigmoid":
        return torch.nn.functional.logsigmoid(logits) if log else logits.sigmoid()
    return logits.log_softmax(-1) if log else logits.softmax(-1)


def checked(function: Function, scores: object, outputs: Outputs) -> None:
    """Raises UsageError where a function of the outputs does not give each sample a score of its own."""
    name, batch = Asked(function=function).function_name, len(outputs["logits"])
    if not isinstance(scores, Tensor) or scores.shape != (batch,) or not scores.is_floating_point():
        given = f"{scores.dtype}, {tuple(scores.shape)}".removeprefix("torch.") if isinstance(scores, Tensor) else \
            type(scores).__name__
        raise UsageError(f"{name} gives {given}: a function of the outputs gives each sample one number, ({batch},).")
    if not torch.isfinite(scores).all():
        raise UsageError(f"{name} gives a score that is not finite (NaN or infinite).")
    parts = [one for one in outputs.values() if one.requires_grad and one.dim() and len(one) == batch]
    if not parts:
        return
    if not scores.requires_grad:
        raise UsageError(f"{name} gives what has no gradient: it must be reckoned from the outputs in torch, without "
                         "detach(), no_grad() or numbers of Python.")
    each = torch.eye(batch, dtype=scores.dtype, device=scores.device)
    for found in torch.autograd.grad(scores, parts, each, retain_graph=True, is_grads_batched=True, allow_unused=True):
        if found is not None and found.reshape(batch, batch, -1).any(2).masked_fill(each > 0, False).any():
            raise UsageError(f"{name} gives a sample a score that depends on other samples: each must be by itself.")
