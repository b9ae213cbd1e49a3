"""A loaded checkpoint: its network, its family, what makes its inputs, and what can be asked of it."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor
from transformers import PreTrainedModel

from mmx.arrays import Shaped
from mmx.asking import Asking, Subject, asking_of
from mmx.capture.lrp import RULE_SETS
from mmx.checkpoints import loading
from mmx.elements import Context, Encoder, Given, beside_of, encoder_of
from mmx.elements.labels import Labels
from mmx.elements.written import WrittenEncoder
from mmx.engine import Described, attribute
from mmx.errors import UsageError
from mmx.families.base import Family, Labelled, Pixels, Regions, Reread, Text
from mmx.methods import Layout, Method, get_method, named_methods
from mmx.methods.base import everywhere
from mmx.model.batching import Job, Parts
from mmx.model.fitting import layout_of, sieved
from mmx.model.running import explain_jobs
from mmx.results import Asked, Explanation, ModelInfo, revision_with
from mmx.wiring import Inputs


class Loaded:
    """A checkpoint with its family and what else it needs."""

    def __init__(self, source: loading.Source, network: PreTrainedModel, family: Family, info: ModelInfo,
                 given: Given | None = None, leftovers: Sequence[str] = ()) -> None:
        self.source, self.network, self.family, self.leftovers = source, network, family, tuple(leftovers)
        self._context = Context(source, network.config, info.device, given or Given())
        self.info = replace(info, revision=revision_with(info.revision, beside_of(self.encoders, self._labels)))

    def __repr__(self) -> str:
        return f"<Model {self.info.name}: {self.info.architecture}, {self.info.dtype} on {self.info.device}>"

    @cached_property
    def asking(self) -> Asking:
        """What it can be asked."""
        return asking_of(self.family, Subject(self.info.name, self.family.does, self.network.config,
                                              lambda: self.labels, self.family.needs))

    @cached_property
    def encoders(self) -> tuple[Encoder, ...]:
        """What makes inputs of pictures and texts."""
        return tuple(encoder_of(one, self._context) for one in self.family.inputs)

    @property
    def processor(self) -> Any:
        """The checkpoint's image processor, of a model that takes pixels."""
        return self.parts.pictures.processor

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer, of a model that takes texts."""
        if self.parts.texts is None:
            raise UsageError(f"{self.info.name} takes no text.")
        return self.parts.texts.tokenizer

    @cached_property
    def _labels(self) -> Labels | None:
        score = self.family.score
        return Labels(score, self._context) if isinstance(score, Labelled) else None

    @property
    def labels(self) -> Sequence[str]:
        """What its answers or classes are called, by index; none of a model that matches texts."""
        return self._labels.names if self._labels is not None else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of every result of this model must know."""
        left = (f"{self.info.name} has {len(self.leftovers)} weights that fit nowhere in {self.info.architecture}: "
                f"{loading.named(self.leftovers)}",) if self.leftovers else ()
        return (*left, *(warning for one in self.encoders for warning in one.warnings),
                *(self._labels.warnings if self._labels is not None else ()))

    @cached_property
    def described(self) -> Described:
        """As the engine takes it."""
        return Described(self.network, self.family, self.asking)

    @cached_property
    def parts(self) -> Parts:
        """What explaining in batches takes."""
        declared = list(zip(self.family.inputs, self.encoders, strict=True))
        pictures = next((encoder for one, encoder in declared if isinstance(one, Pixels | Regions)), None)
        if pictures is None:
            raise UsageError(f"{self.info.name} takes no picture.",
                             "In Python, `attribute` explains it by ids; else load a model that sees: 'mmx models'.")
        texts = next((encoder for one, encoder in declared if isinstance(one, Text)), None)
        answers = next((encoder for encoder in self.encoders if isinstance(encoder, WrittenEncoder)), None)
        rereads = tuple(encoder for one, encoder in declared if isinstance(one, Reread))
        return Parts(self.described, self.info, pictures, texts, self.to_model, answers, rereads)

    def load_all(self) -> None:
        """Reads what else of the checkpoint is needed, so that a broken file is one error and not one per picture."""
        _ = self.parts
        for encoder in self.encoders:
            encoder.load()
        _ = self.labels

    def with_processor(self, processor: Any) -> Self:
        """The same model with another image processor."""
        twin = copy(self)
        for name in ("encoders", "parts"):
            twin.__dict__.pop(name, None)
        vars(twin.parts.pictures)["processor"] = processor
        return twin

    def check(self, asked: Asked) -> None:
        """Raises UsageError where something that is asked cannot be asked of this model."""
        self.asking.check(asked)
        self.described.at(asked.level, asked.score).schedule(asked.start_layers)
        for encoder in self.encoders:
            encoder.check(asked)

    def settled(self, asked: Asked) -> Asked:
        """What is asked in full: defaults filled in, names as the model has them. Raises UsageError as `check`."""
        return self.parts.settled(asked)

    @property
    def layout(self) -> Layout:
        """What methods are told of it."""
        return layout_of(self.family, self.network.config)

    def fitting_methods(self, names: Sequence[str], *more: str) -> tuple[tuple[Method, ...], tuple[str, ...]]:
        """The methods of these names, and of `more`; of groups, those that have sense of their own on this model.

        Returns:
            The methods, and notes on those that were left out and on what their numbers are worth.

        Raises:
            UsageError: a method that is named has no sense of its own here, or is unknown.
        """
        return self.sieved(named_methods((*names, *more)), (*names, *more))

    def sieved(self, methods: Sequence[Method], names: Sequence[str]) -> tuple[tuple[Method, ...], tuple[str, ...]]:
        """As `fitting_methods`, of methods that these names stand for."""
        return sieved(methods, names, self.layout, self.info)

    def small_inputs(self) -> dict[str, Shaped[Tensor, "1 ..."]]:
        """Encoded inputs of noise, for which neither tokenizer nor processor is needed; a batch of one."""
        random = torch.Generator().manual_seed(0)
        return self.to_model({name: value for one in self.encoders for name, value in one.noise(random).items()})

    def left_out(self, methods: Sequence[Method]) -> dict[str, str]:
        """The methods that cannot run on this model, each with the reason, found by running them on noise."""
        doubtful = [method for method in methods if {*RULE_SETS, "layer scores"}.intersection(method.needs)
                    or (method.shares_passes and method.why_not is not everywhere)]
        if not doubtful:
            return {}
        control = get_method("random")  # which always can, so that all of the others may be left out
        found = attribute(self.described, self.small_inputs(), [*doubtful, control], self.asking.any_target)
        return dict(found.left_out)

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method], *,
                      max_memory: int | None = None) -> list[list[Explanation]]:
        """For each job, a result by each method that can run on this model; CaptureError where none of them can.

        MmxError where there is too little memory for one of the pictures.
        """
        return explain_jobs(self.parts, jobs, methods, max_memory, lambda: self.warnings)

    def to_model(self, inputs: Inputs) -> dict[str, Shaped[Tensor, "_batch ..."]]:
        """Inputs on the model's device, floating ones in its dtype."""
        device, dtype = self.network.device, self.network.dtype
        return {name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
                for name, value in inputs.items()}
