"""A loaded checkpoint that explains: pictures and what is asked of them in, explanations out, in batches."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL.Image import Image
from torch import Tensor, nn

from mmx import checkpoints
from mmx.engine import attribute
from mmx.errors import CheckpointError, UsageError
from mmx.families._vqa import VqaFamily
from mmx.families.base import Family, get_family
from mmx.images import open_picture
from mmx.methods import Method, get_method
from mmx.regions.base import RegionProvider, make_provider
from mmx.tasks.base import Job, Result, Task, seed_of, versions
from mmx.tasks.object_detection import ObjectDetection
from mmx.tasks.question_answering import QuestionAnswering, tokens_of
from mmx.types import ModelInfo, Wanted

__all__ = ["Job", "Model", "load", "seed_of", "tokens_of", "versions"]

_TASKS: dict[str, type[Task]] = {"question answering": QuestionAnswering, "object detection": ObjectDetection}


class Model:
    """A checkpoint with its family and what else it needs; what `mmx.load` returns."""

    def __init__(self, source: checkpoints.Source, network: nn.Module, family: Family, info: ModelInfo,
                 regions: Mapping[str, Any] | None = None) -> None:
        self.source, self.network, self.family, self.info = source, network, family, info
        self._regions = regions

    @cached_property
    def task(self) -> Task:
        """What it can be asked."""
        if self.family.task not in _TASKS:
            raise UsageError(f"mmx cannot explain {self.family.task} yet, which {self.info.name} does.")
        return _TASKS[self.family.task](self)

    @cached_property
    def tokenizer(self) -> Any:
        return checkpoints.load_tokenizer(self.source)

    @cached_property
    def processor(self) -> Any:
        """Of pictures, for families that take pixels."""
        return checkpoints.load_processor(self.source)

    @cached_property
    def region_provider(self) -> RegionProvider:
        """The one asked for at load, else the one that the checkpoint names, else a plain grid."""
        asked = self._regions
        options = asked or checkpoints.read_extra(self.source, "regions.json") or {"provider": "grid"}
        try:
            return make_provider(dict(options), self.info.device, self._vqa.region_features(self.network.config))
        except (UsageError, LookupError, TypeError, ValueError) as error:
            if asked is not None:
                raise
            why = str(error) if isinstance(error, UsageError | ValueError) else repr(error)
            raise CheckpointError(f"The regions.json of {self.info.name} cannot be used: {why}") from error

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of every result of this model must know."""
        return self.task.warnings

    @cached_property
    def region_warnings(self) -> tuple[str, ...]:
        own = checkpoints.read_extra(self.source, "regions.json")
        if self._regions is not None and own not in (None, dict(self._regions)):
            return (f"{self.info.name} was trained on other regions than these: its answers mean little",)
        if self._regions is not None or own is not None:
            return ()
        return (f"{self.info.name} names no region detector, so regions are cells of a plain grid: a model that was "
                "trained on detector features answers at random from these",)

    @cached_property
    def answers(self) -> list[str]:
        return self._vqa.answers(self.network.config)

    @property
    def _vqa(self) -> VqaFamily:
        if not isinstance(self.family, VqaFamily):
            raise UsageError(f"{self.info.name} does not answer questions about regions.")
        return self.family

    def attribute(self, inputs: Mapping[str, Tensor], method: str = "relevance", target: object = None,
                  ) -> dict[str, Tensor]:
        """Raw scores for encoded inputs, {"text": (rows, tokens), "image": (rows, regions)}, finite and unscaled.

        Args:
            inputs: what the Hugging Face model's forward takes, batched; floating ones are cast to its dtype.
            method: name or alias, see `mmx methods`.
            target: index of the answer to explain; None is the predicted one. A list gives one row for each: one
                per sample, or, for a batch of one, any number. Of a detector, (query, class or None) in the place
                of an index. Padding in `inputs` counts as the reference counts it.
        """
        found, _ = attribute(self.network, self.family, self.to_model(inputs), [get_method(method)], target)
        return next(iter(found.values()))

    def explain(self, image: str | Path | Image, question: str | None = None, *, method: str = "relevance",
                target: str | int | None = None, threshold: float | None = None,
                query: int | Sequence[int] | None = None, class_name: str | None = None,
                max_memory: int | None = None) -> Result:
        """Why the model answers `question` about `image` as it does, or why it finds what it finds there.

        Args:
            target: of a model that answers: the answer to explain, by text or index; None is the predicted one.
            threshold: of a model that finds objects: detections surer than this are explained (default 0.5).
            query: these object queries instead, however sure they are.
            class_name: detections of this class only; with `query`, what speaks for it there.
            max_memory: bytes that gradients may take; where more are needed, there are several backwards.
        """
        return self.explain_methods(image, question, [method], target=target, threshold=threshold, query=query,
                                    class_name=class_name, max_memory=max_memory)[0]

    def explain_methods(self, image: str | Path | Image, question: str | None = None,
                        methods: Sequence[str] = ("relevance",), *, target: str | int | None = None,
                        threshold: float | None = None, query: int | Sequence[int] | None = None,
                        class_name: str | None = None, max_memory: int | None = None) -> list[Result]:
        """The same by several methods, out of one run of the model."""
        queries = () if query is None else tuple(map(int, query)) if isinstance(query, Iterable) else (int(query),)
        given = threshold is not None or bool(queries) or class_name is not None
        wanted = Wanted(threshold, queries, class_name) if given else None
        self.check(question, target, wanted)
        job = Job(open_picture(image), question, target, wanted)
        return self.explain_batch([job], [get_method(name) for name in methods], max_memory=max_memory)[0]

    def check(self, question: str | None = None, target: str | int | None = None,
              wanted: Wanted | None = None) -> None:
        """Raises UsageError where something that is asked cannot be asked of this model."""
        self.task.check(question, target, wanted)

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method], *,
                      max_memory: int | None = None) -> list[list[Result]]:
        """For each job, a result by each method."""
        return self.task.explain_batch(jobs, methods, max_memory)

    def to_model(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inputs on the model's device, floating ones in its dtype."""
        device, dtype = self.network.device, self.network.dtype
        return {name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
                for name, value in inputs.items()}


def load(name: str | Path, device: str = "cpu", dtype: str = "auto", *, revision: str | None = None,
         regions: Mapping[str, Any] | None = None) -> Model:
    """A model by shipped name, local `from_pretrained` folder or hub id.

    Args:
        device: "auto", "cpu", "cuda" or "mps".
        dtype: "auto" (float32), "float32", "float64", "bfloat16" or "float16".
        regions: a region provider's options, {"provider": "grid", "rows": 6, "columns": 6}; by default the
            checkpoint's own.

    Raises:
        UsageError: no such name, family, device or dtype.
        CheckpointError: the files are missing or broken.
    """
    device, dtype = checkpoints.pick_device(device), checkpoints.check_dtype(dtype)
    source = checkpoints.resolve(name, revision)
    config = checkpoints.read_config(source)
    family = get_family(config.model_type)
    if regions is not None and not isinstance(family, VqaFamily):
        raise UsageError(f"{source.name} takes no regions: it looks at the whole picture.", "Leave regions out.")
    network = checkpoints.load_network(source, family.architecture, device=device, dtype=dtype)
    info = ModelInfo(source.name, config.model_type, checkpoints.revision_of(source, config), device, dtype)
    return Model(source, network, family, info, regions)
