"""An encoder: from texts or pictures to what a model's forward takes, and to what its tokens are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmx.arrays import Bool, Int, Shaped
from mmx.capture import Outputs
from mmx.checkpoints.loading import Source
from mmx.errors import UsageError
from mmx.results import Asked, Box, Element, Picture
from mmx.wiring import Inputs


@dataclass(frozen=True)
class Given:
    """What the user says in the place of what the checkpoint says or mmx knows; see `mmx.load`."""

    regions: Mapping[str, Any] | None = None
    features: Path | None = None
    answers: Sequence[str] | Path | None = None
    processor: Source | None = None


@dataclass(frozen=True)
class Context:
    """The checkpoint that encoders belong to, and what they share."""

    source: Source
    config: Any
    device: str
    given: Given = field(default_factory=Given)
    shared: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """One text or picture as a model takes it.

    Attributes:
        tensors: for one sample, without an axis for the batch.
        elements: what its tokens are, as far as that is known before the model runs.
        notes: what a reader must know.
        size: what must be equal where several run together.
        part_xyxy_px: the part of a picture that the model is shown, whole patches or not; None is all of it.
    """

    tensors: Mapping[str, Shaped[Tensor, "..."]]
    elements: tuple[Element, ...]
    notes: tuple[str, ...] = ()
    size: tuple[int, ...] = ()
    part_xyxy_px: Box | None = None


@dataclass(frozen=True)
class Located:
    """What the tokens of a part are, of one sample of a batch that was run.

    `shown` says which of them that is, where not all, or in which order; the others are padding, or have no place.
    """

    part: str
    elements: tuple[Element, ...]
    shown: Bool[Tensor, " tokens"] | Int[Tensor, " elements"] | None = None
    notes: tuple[str, ...] = ()


class Encoder(ABC):
    """One input of a model. `about` is what `mmx models check` calls it."""

    about: str

    def __init__(self, declared: Any, context: Context) -> None:
        self.declared, self.context = declared, context

    @property
    def part(self) -> str:
        return self.declared.part

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of every result must know."""
        return ()

    @property
    def beside(self) -> dict[str, str]:
        """What decides what it gives and is no file of the checkpoint's: of what kind, and the hash of its content."""
        return {}

    @cached_property
    def processor(self) -> Any:
        """The checkpoint's image processor. Raises UsageError where this is no input of pixels."""
        raise UsageError(f"{self.context.source.name} has no image processor: it looks at regions.")

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer. Raises UsageError where this is no input of text."""
        raise UsageError(f"{self.context.source.name} takes no text.")

    @abstractmethod
    def load(self) -> str:
        """Reads what it needs, so that a broken file is one error and not one for each picture; says what it is."""

    def check(self, asked: Asked) -> None:  # noqa: B027 - most take whatever there is
        """Raises UsageError where something that is asked does not fit the model."""

    @abstractmethod
    def prepare(self, given: Sequence[Any]) -> list[Prepared]:
        """Texts or pictures, each by itself."""

    def foreseen(self, given: Sequence[Any]) -> list[Prepared]:
        """Of the shapes that `prepare` would give, without what takes long."""
        return self.prepare(given)

    def foreseen_of(self, given: Sequence[tuple[Picture, ...]]) -> list[Prepared]:
        """The same of the pictures of each prompt."""
        return self.foreseen(alone(self.context.source.name, given))

    def collate(self, prepared: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch ..."]]:
        """A batch of them, all of one size."""
        return {name: torch.stack([one.tensors[name] for one in prepared]) for name in prepared[0].tensors}

    def prepare_of(self, given: Sequence[tuple[Picture, ...]]) -> list[Prepared]:
        """Of the pictures of each prompt. Raises UsageError where the model takes one alone."""
        return self.prepare(alone(self.context.source.name, given))

    def prepare_about(self, given: Sequence[str], pictures: Sequence[Prepared]) -> list[Prepared]:
        """Texts, each beside the pictures of its prompt."""
        return self.prepare(given)

    @property
    def takes_any(self) -> bool:
        """Whether it takes pictures that nobody prepared for it."""
        return True

    @property
    def provider(self) -> str | None:
        """Who provides regions, where the model looks at regions."""
        return None

    def located(self, prepared: Prepared, inputs: Inputs, outputs: Outputs, sample: int, asked: Asked) -> Located:
        """What its tokens are in sample number `sample` of a batch."""
        return Located(self.part, prepared.elements, notes=prepared.notes)

    @abstractmethod
    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        """Inputs without sense, a batch of one, for which no tokenizer and no processor is needed."""


def alone(name: str, given: Sequence[tuple[Picture, ...]]) -> list[Picture]:
    """The picture of each. Raises UsageError where there are several."""
    if any(len(several) > 1 for several in given):
        raise UsageError(f"{name} takes one picture at a time.", "Give them one by one.")
    return [one for one, in given]
