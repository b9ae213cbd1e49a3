"""A kind of score: what may be asked, what is explained, and how its result reads. One for each model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from mmx.arrays import Float, Int
from mmx.asking.scoring import ByFunction, Compared, Picked, taken_apart
from mmx.capture import Chosen, Outputs
from mmx.errors import UsageError, unknown_name
from mmx.families.base import LOGIT, LOGPROB, PROBABILITY, SIMILARITY
from mmx.results import Asked, Box, Item, Prediction, Unit, Words, check_fits

RUNNERS_UP = 5
_LONGEST_COMPARED = 30
_CONTRASTS: Mapping[str, Unit] = {LOGIT: "logit", SIMILARITY: "similarity"}


@dataclass(frozen=True)
class Subject:
    """The model that is asked, as far as asking goes.

    Attributes:
        name: what the user calls it.
        does: what such a model does.
        config: of the checkpoint.
        labels: what its answers or classes are called, read when first asked for.
        needs: what must be asked: "question" or "texts", or nothing.
    """

    name: str
    does: str
    config: Any
    labels: Callable[[], Sequence[str]]
    needs: str | None


@dataclass(frozen=True)
class Each:
    """What is explained of each sample of a batch: any number of targets (None is what it predicts), or a rule."""

    of_each: Sequence[Any]


@dataclass(frozen=True)
class Batch:
    """Pictures that run together.

    Attributes:
        asked: what is asked of each, settled.
        samples: which samples are its.
        shown_xyxy_px: the part of it that the model is shown, in its own pixels.
        answers: what the model wrote of it, where it writes.
        prompts: how many tokens stand before that in the ids that the model is given.
        written, against: the ids of that, and of what it is compared with, where it is.
    """

    asked: tuple[Asked, ...]
    samples: tuple[tuple[int, ...], ...]
    shown_xyxy_px: tuple[Box, ...]
    answers: tuple[Words, ...] = ()
    prompts: tuple[int, ...] = ()
    written: tuple[tuple[int, ...], ...] = ()
    against: tuple[tuple[int, ...] | None, ...] = ()

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All texts, each once."""
        return tuple(dict.fromkeys(text for one in self.asked for text in one.texts))

    def places(self, picture: int) -> list[int]:
        """Where the texts of a picture stand among all."""
        return [self.texts.index(text) for text in self.asked[picture].texts]


@dataclass(frozen=True)
class Answer:
    """What a model says of one picture: each item without its scores and its place among the chosen, in order."""

    items: tuple[tuple[int, Item], ...]
    predictions: tuple[Prediction, ...] = ()
    others: tuple[Item, ...] = ()


class Asking(ABC):
    """One kind of score, for one model.

    Class attributes:
        noun: what an explained thing is.

    Attributes:
        by: what of it is differentiated, one of `scores`.
    """

    noun: ClassVar[str]

    def __init__(self, score: Any, subject: Subject) -> None:
        self.score, self.subject, self.by = score, subject, LOGIT

    @property
    def scores(self) -> tuple[str, ...]:
        """What of an explained thing may be differentiated."""
        return LOGIT, PROBABILITY, LOGPROB

    def explaining(self, score: str | None) -> Self:
        """The same where that is differentiated. Raises UsageError where there is no such score."""
        if score is None:
            return self
        if score not in self.scores:
            raise unknown_name(f"score of {self.subject.name}", score, self.scores)
        found = copy(self)
        found.by = score
        return found

    @property
    def fields(self) -> frozenset[str]:
        """The fields of `Asked` that can be given."""
        return self.score.takes | ({self.subject.needs} if self.subject.needs else set())

    @property
    def sentence(self) -> str:
        """ "photo-vit classifies pictures" """
        return f"{self.subject.name} {self.subject.does}"

    @property
    def any_target(self) -> object:
        """A target in the terms of `choose` that every model of this kind has."""
        return None

    def whole(self, asked: Asked) -> Asked:
        """The same about all of what the model says as one target, where that has parts."""
        return asked

    @property
    def example(self) -> Asked:
        """What can be asked of every model of this kind, beside a question or texts, and has a result."""
        return Asked()

    def check(self, asked: Asked) -> None:
        """Raises UsageError where something that is asked cannot be asked of this model."""
        check_fits(asked, self.sentence, self.score.takes, self.subject.needs, self.score.choices)
        self.explaining(asked.score)
        if asked.function is not None:
            self._check_function(asked)
        self.settled(asked)

    def _check_function(self, asked: Asked) -> None:
        """Raises UsageError where a function is asked for that cannot be explained."""
        if isinstance(asked.function, str):
            raise UsageError(f"'{asked.function}' is the name of a function.", "Give the function itself.")
        given = "against" if asked.against is not None else "score" if asked.score is not None else None
        if given is not None:
            raise UsageError(f"A function of the outputs is what is explained: `{given}=` does not fit it.",
                             "Let the function give it.")
        self.check_position(asked)

    def check_position(self, asked: Asked) -> None:  # noqa: B027 - most kinds need none
        """Raises UsageError where a function lacks where it is explained, or has too much of that."""

    @abstractmethod
    def settled(self, asked: Asked) -> Asked:
        """What is asked in full: defaults filled in, names as the model has them. UsageError where there is none."""

    def counts(self, asked: Asked) -> bool:
        """Whether how much is explained is known before the model runs."""
        return True

    def texts_of(self, asked: Asked) -> tuple[str | None, ...]:
        """The text of each sample that is run for a picture; None where a sample is the picture alone."""
        return (asked.question,)

    def shared_texts(self, batch: Batch) -> tuple[str, ...] | None:
        """The texts that run, where all pictures of a batch are matched with all of them; None where each sample's do.

        Such texts belong to no sample.
        """
        return None

    def text_entry(self, batch: Batch, picture: int, number: int) -> int:
        """Where that text of a picture is among all that run."""
        return batch.samples[picture][number]

    def target(self, batch: Batch) -> object:
        """What is explained of a batch, in the terms of `choose`."""
        own, [asked, *_] = self.own_target(batch), batch.asked
        if asked.function is not None and not isinstance(asked.function, str):
            return ByFunction(asked.function, own)
        if all(one.against is None for one in batch.asked):
            return own
        rivals = {sample: self.rival(batch, picture) for picture, samples in enumerate(batch.samples)
                  for sample in samples}
        return Compared(own, [rivals[sample] for sample in range(len(rivals))])

    @abstractmethod
    def own_target(self, batch: Batch) -> object:
        """The same without what it is compared with."""

    def rival(self, batch: Batch, picture: int) -> int | None:
        """What that is of a picture, as a target of its kind."""
        against = batch.asked[picture].against
        return None if against is None else int(against)

    def arguments(self, inputs: Mapping[str, Tensor], target: object) -> Mapping[str, Any]:
        """Further arguments of a forward in which `target` is explained."""
        return {}

    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """The scores that are explained.

        Args:
            target: this kind's own, None what the model predicts; or `Compared`; or a function of the outputs, or
                (function, target) where it must be known which rows explain it.

        Raises:
            UsageError: it is no target of this kind, or of another length than the batch.
        """
        own, rivals, function = taken_apart(target)
        picked = self.picked(outputs, own)
        if function is not None:
            return picked.by_function(function, outputs, lambda found: self.shown(found, own))
        return picked.by_own(outputs) if rivals is None else picked.by_contrast(outputs, rivals,
                                                                                len(outputs["logits"]))

    @abstractmethod
    def picked(self, outputs: Outputs, target: object) -> Picked:
        """The items of a target of this kind."""

    def shown(self, outputs: Outputs, target: object) -> Outputs:
        """What of the outputs a function is given."""
        return outputs

    def parted(self, outputs: Outputs, copies: int) -> list[Outputs]:
        """Of a batch that ran several times at once, the outputs of each time."""
        several = {name: values.chunk(copies) if values.dim() and len(values) % copies == 0 else (values,) * copies
                   for name, values in outputs.items()}
        return [{name: values[place] for name, values in several.items()} for place in range(copies)]

    def log_probabilities(self, outputs: Outputs, target: object) -> Float[Tensor, " items"] | None:
        """Of each item of `target`, in nats, where the model writes it; None of a kind that writes nothing."""
        return None

    @property
    def writes(self) -> bool:
        """Whether the model writes what it says, so that it has log-probabilities."""
        return False

    def answer(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        """What the model says of one picture of a batch, and of which score each item is."""
        said, asked = self.said(outputs, chosen, batch, picture), batch.asked[picture]
        if asked.function is None and asked.against is None:
            return said
        return replace(said, items=tuple((place, self._scored(item, float(chosen.scores[place].detach()), asked))
                                         for place, item in said.items))

    @abstractmethod
    def said(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        """The same where each item is by itself."""

    def name_of(self, against: str | int, asked: Asked) -> str:
        """What something is called that an item is compared with."""
        return str(against)

    def _scored(self, item: Item, score: float, asked: Asked) -> Item:
        """An item of a contrast, or of a function of the outputs."""
        if asked.against is not None:
            label = f"{_begun(item.label)} rather than {_begun(self.name_of(asked.against, asked))}"
            return replace(item, label=label, score=score, unit=_CONTRASTS.get(self.by, "value"), also={})
        at = f" at {_begun(item.label)}" if asked.targets and item.query is None else ""
        return replace(item, kind="function", label=f"{asked.function_name}, a function of the outputs{at}",
                       score=score, unit="value", also={})


def _begun(text: str) -> str:
    """The first letters of a long one."""
    return text if len(text) <= _LONGEST_COMPARED else f"{text[:_LONGEST_COMPARED].rstrip()}..."


def choose_classes(logits: Float[Tensor, "batch classes"],
                   target: object) -> tuple[Int[Tensor, " items"], Int[Tensor, " items"]]:
    """Samples and classes of the items to explain, out of class logits.

    `target` is None (each sample's own prediction), one class for all, a class for each sample, or, for a batch
    of one, any number of classes. None within a list is the prediction of that sample.
    """
    batch, classes = logits.shape
    samples = torch.arange(batch, device=logits.device)
    if target is None:
        return samples, logits.argmax(dim=1)
    if isinstance(target, Each):
        best = logits.argmax(dim=1).tolist()
        pairs = [(sample, best[sample] if one is None else one)
                 for sample, several in enumerate(target.of_each) for one in several]
        found = torch.tensor(pairs, dtype=torch.long, device=logits.device).reshape(-1, 2)
        return found[:, 0], found[:, 1]
    if isinstance(target, list | tuple) and any(one is None for one in target) and len(target) in (1, batch):
        target = [int(logits[i].argmax()) if one is None else one for i, one in enumerate(target)]
    try:
        chosen = torch.as_tensor(target, device=logits.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"A target is a class index or a list of them, not {target!r}.") from error
    if chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool or chosen.dim() > 1:
        raise UsageError(f"A target is a class index or a list of them, not {target!r}.")
    if chosen.numel() == 0 or not ((chosen >= 0) & (chosen < classes)).all():
        raise UsageError(f"Target {target!r} is not one of the model's {classes} classes (0 to {classes - 1}).")
    if chosen.dim() == 0:
        return samples, chosen.expand(batch)
    if batch == 1:
        return samples.expand(len(chosen)), chosen
    if len(chosen) != batch:
        raise UsageError(f"{len(chosen)} targets were given for {batch} samples.", "Give one, or one for each.")
    return samples, chosen
