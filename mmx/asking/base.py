"""A kind of score: what may be asked, what is explained, and how its result reads. One for each model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmx.arrays import Float, Int
from mmx.capture import Chosen, Outputs
from mmx.errors import UsageError, unknown_choice
from mmx.results import Asked, Box, Item, Prediction, Words, check_fits

RUNNERS_UP = 5

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
    """

    noun: ClassVar[str]

    def __init__(self, score: Any, subject: Subject) -> None:
        self.score, self.subject = score, subject

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
        self.settled(asked)

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

    @abstractmethod
    def target(self, batch: Batch) -> object:
        """What is explained of a batch, in the terms of `choose`."""

    def arguments(self, inputs: Mapping[str, Tensor], target: object) -> Mapping[str, Any]:
        """Further arguments of a forward in which `target` is explained."""
        return {}

    @abstractmethod
    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """The scores that are explained; `target` is this kind's own, None what the model predicts.

        Raises:
            UsageError: it is no target of this kind, or of another length than the batch.
        """

    def parted(self, outputs: Outputs, copies: int) -> list[Outputs]:
        """Of a batch that ran several times at once, the outputs of each time."""
        several = {name: values.chunk(copies) if values.dim() else (values,) * copies
                   for name, values in outputs.items()}
        return [{name: values[place] for name, values in several.items()} for place in range(copies)]

    def log_probabilities(self, outputs: Outputs, target: object) -> Float[Tensor, " items"] | None:
        """Of each item of `target`, in nats, where the model writes it; None of a kind that writes nothing."""
        return None

    @property
    def writes(self) -> bool:
        """Whether the model writes what it says, so that it has log-probabilities."""
        return False

    @abstractmethod
    def answer(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        """What the model says of one picture of a batch."""


def index_of(text: str | int, names: Sequence[str]) -> int | None:
    """One of the names, in any case, else a number below their count; None if it is neither."""
    given = str(text).strip()
    lowered = [name.lower() for name in names]
    if not isinstance(text, int) and given.lower() in lowered:
        return lowered.index(given.lower())
    return int(given) if given.isdecimal() and int(given) < len(names) else None


def chosen_texts(asked: Asked) -> Asked:
    """`asked` with the places of the texts that are explained in `targets`; all of them where none is named."""
    found = []
    for target in asked.targets:
        index = index_of(target, asked.texts)
        if index is None:
            raise unknown_choice(f"'{target}' is none of the texts.", str(target), "texts", asked.texts, 10)
        found.append(index)
    return replace(asked, targets=tuple(dict.fromkeys(found)))


def explained_texts(asked: Asked) -> tuple[int, ...]:
    """Places of the texts that are explained."""
    return tuple(int(one) for one in asked.targets) or tuple(range(len(asked.texts)))


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
