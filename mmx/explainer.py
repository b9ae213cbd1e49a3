"""A loaded checkpoint that explains: pictures and what is asked of them in, explanations out, in batches."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL.Image import Image
from torch import Tensor, nn

from mmx import checkpoints
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.families._vqa import VqaFamily
from mmx.families.base import Family, get_family
from mmx.images import open_picture
from mmx.methods import Method, get_method
from mmx.regions.base import RegionProvider, RegionSet
from mmx.schedule import sites_of
from mmx.studies.perturb.encoded import Perturbation, perturb
from mmx.tasks.base import Asked, Job, Result, Target, Task, seed_of, versions
from mmx.tasks.image_classification import ImageClassification
from mmx.tasks.image_text_matching import ImageTextMatching
from mmx.tasks.object_detection import ObjectDetection
from mmx.tasks.precomputed import PrecomputedRegions
from mmx.tasks.question_answering import QuestionAnswering
from mmx.tasks.tokens import tokens_of
from mmx.tasks.vqa_parts import NOTHING_GIVEN, Given, VqaParts
from mmx.types import ModelInfo, Picture, Wanted

__all__ = ["Job", "Model", "load", "seed_of", "tokens_of", "versions"]

_TASKS: dict[str, type[Task]] = {
    "question answering": QuestionAnswering, "object detection": ObjectDetection,
    "image classification": ImageClassification, "image-text matching": ImageTextMatching}

Source = str | Path | Image
"""A picture's file, or the picture."""


class Model:
    """A checkpoint with its family and what else it needs; what `mmx.load` returns."""

    def __init__(self, source: checkpoints.Source, network: nn.Module, family: Family, info: ModelInfo,
                 given: Given = NOTHING_GIVEN, leftovers: Sequence[str] = ()) -> None:
        self.source, self.network, self.family, self.info = source, network, family, info
        self.leftovers = tuple(leftovers)
        self._given = given

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
    def _parts(self) -> VqaParts:
        return VqaParts(self.source, self._vqa, self.network.config, self.info.device, self._given)

    @property
    def region_provider(self) -> RegionProvider | PrecomputedRegions:
        """The one asked for at load, else the one that the checkpoint was trained on, else a plain grid."""
        return self._parts.region_provider

    @property
    def region_options(self) -> dict[str, Any]:
        """Which region provider it is, and how it is set."""
        return self._parts.region_options

    def regions_of(self, pictures: Sequence[Picture]) -> list[RegionSet]:
        return self._parts.regions_of(pictures)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of every result of this model must know."""
        left = (f"{self.info.name} has {len(self.leftovers)} weights that fit nowhere in {self.family.architecture}: "
                f"{checkpoints.named(self.leftovers)}",) if self.leftovers else ()
        return (*left, *self.task.warnings)

    @property
    def region_warnings(self) -> tuple[str, ...]:
        return self._parts.warnings

    @property
    def answers(self) -> list[str]:
        return self._parts.answers

    @property
    def _vqa(self) -> VqaFamily:
        if not isinstance(self.family, VqaFamily):
            raise UsageError(f"{self.info.name} does not answer questions about regions.")
        return self.family

    def attribute(self, inputs: Mapping[str, Tensor], method: str = "relevance", target: object = None, *,
                  start_layer: int | None = None, start_layer_text: int | None = None) -> dict[str, Tensor]:
        """Raw scores for encoded inputs, {"text": (rows, tokens), "image": (rows, regions)}, finite and unscaled.

        Args:
            inputs: what the Hugging Face model's forward takes, batched; floating ones are cast to its dtype.
            method: name or alias, see `mmx methods`.
            target: index of the answer to explain; None is the predicted one. A list gives one row for each: one
                per sample, or, for a batch of one, any number. Of a detector, (query, class or None) in the place
                of an index; of CLIP, (image, text), by default every pair. Padding in `inputs` counts as the
                reference counts it.
            start_layer, start_layer_text: of ViT and CLIP: the first layer of the image tower and of the text tower
                that is read; -1 is the last one alone, which is the default for CLIP, and 0 reads all.
        """
        found, _ = attribute(self.network, self.family, self.to_model(inputs), [get_method(method)], target,
                             start_layers=starts_by_stream(start_layer, start_layer_text))
        return next(iter(found.values()))

    def perturb(self, inputs: Mapping[str, Tensor], scores: Mapping[str, Tensor], *, modality: str, sign: str,
                protocol: str = "iccv21", steps: Sequence[float] | None = None, seed: int = 0) -> Perturbation:
        """What the model says of encoded inputs as their words or regions are removed, step by step.

        Args:
            inputs: what the Hugging Face model's forward takes, batched.
            scores: what `attribute` returns for them, one row per sample.
            modality: what is removed, "image" (regions) or "text" (words).
            sign: "positive" removes the most relevant first, "negative" the least relevant.
            protocol: "iccv21" is the reference's, "clean" one that mends it; see `mmx.studies.perturb.protocol`.
            steps: other shares to remove than the protocol's.
            seed: of the lots that "clean" draws among equal scores.
        """
        return perturb(self.network, self._vqa, self.to_model(inputs), scores, modality=modality, sign=sign,
                       protocol=protocol, steps=steps, seed=seed)

    def explain(self, image: Source | Sequence[Source], question: str | None = None, *, method: str = "relevance",
                target: str | int | Sequence[str | int] | None = None, text: str | Sequence[str] = (),
                threshold: float | None = None, query: int | Sequence[int] | None = None,
                class_name: str | None = None, start_layer: int | None = None, start_layer_text: int | None = None,
                max_memory: int | None = None) -> Result | list[Result]:
        """Why the model answers `question` about `image` as it does, or what it finds or sees there.

        Args:
            image: a picture, or several, which run as one batch and give a result each.
            target: of a model that answers or classifies: the answer or the classes to explain, by text or index;
                None is the predicted one.
            text: of a model that matches pictures and texts: the texts, each of which is explained.
            threshold: of a model that finds objects: detections surer than this are explained (default 0.5).
            query: these object queries instead, however sure they are.
            class_name: detections of this class only; with `query`, what speaks for it there.
            start_layer, start_layer_text: see `attribute`.
            max_memory: bytes that gradients may take; where more are needed, there are several backwards.
        """
        found = self.explain_methods(
            image, question, [method], target=target, text=text, threshold=threshold, query=query,
            class_name=class_name, start_layer=start_layer, start_layer_text=start_layer_text, max_memory=max_memory)
        return [one for [one] in found] if isinstance(image, list | tuple) else found[0]

    def explain_methods(self, image: Source | Sequence[Source], question: str | None = None,
                        methods: Sequence[str] = ("relevance",), *,
                        target: str | int | Sequence[str | int] | None = None, text: str | Sequence[str] = (),
                        threshold: float | None = None, query: int | Sequence[int] | None = None,
                        class_name: str | None = None, start_layer: int | None = None,
                        start_layer_text: int | None = None, max_memory: int | None = None) -> list:
        """The same by several methods, out of one run of the model: a list of them, or one for each picture."""
        queries = () if query is None else tuple(map(int, query)) if isinstance(query, Iterable) else (int(query),)
        given = threshold is not None or bool(queries) or class_name is not None
        asked = Asked(question, tuple(target) if isinstance(target, list | tuple) else target,
                      Wanted(threshold, queries, class_name) if given else None,
                      tuple(dict.fromkeys((text,) if isinstance(text, str) else text)),
                      starts_by_stream(start_layer, start_layer_text))
        chosen = [get_method(name) for name in methods]
        self.check(**vars(asked))
        self.check_methods(chosen)
        images = image if isinstance(image, list | tuple) else [image]
        jobs = [asked.about(open_picture(one)) for one in images]
        found = self.explain_batch(jobs, chosen, max_memory=max_memory)
        return found if isinstance(image, list | tuple) else found[0]

    def check(self, question: str | None = None, target: Target = None, wanted: Wanted | None = None,
              texts: tuple[str, ...] = (), start_layers: Mapping[str, int] | None = None) -> None:
        """Raises UsageError where something that is asked cannot be asked of this model."""
        self.family.schedule_from(self.network.config, start_layers or {})
        self.task.check(Asked(question, target, wanted, texts, start_layers or {}))

    def check_methods(self, methods: Sequence[Method]) -> None:
        """Raises UsageError for a method that has no sense of its own on this model."""
        for method in methods:
            if not self.takes(method):
                raise UsageError(f"{method.name} says nothing of its own about {self.info.name}: it differs from "
                                 f"{method.differs_across_streams_from} only where one stream attends to another.",
                                 f"Ask for {method.differs_across_streams_from}.")

    def takes(self, method: Method) -> bool:
        """Whether a method has sense of its own: some differ from others only where streams attend to each other."""
        sites = sites_of(self.family.schedule(self.network.config))
        return not method.differs_across_streams_from or not all(site.is_self for site in sites)

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method], *,
                      max_memory: int | None = None) -> list[list[Result]]:
        """For each job, a result by each method."""
        return self.task.explain_batch(jobs, methods, max_memory)

    def to_model(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inputs on the model's device, floating ones in its dtype."""
        device, dtype = self.network.device, self.network.dtype
        return {name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
                for name, value in inputs.items()}


def starts_by_stream(start_layer: int | None, start_layer_text: int | None) -> dict[str, int]:
    """The start layers that were given, by stream."""
    given = {"image": start_layer, "text": start_layer_text}
    return {stream: start for stream, start in given.items() if start is not None}


def load(name: str | Path, device: str = "cpu", dtype: str = "auto", *, revision: str | None = None,
         regions: Mapping[str, Any] | None = None, features: str | Path | None = None,
         answers: str | Path | Sequence[str] | None = None) -> Model:
    """A model by shipped name, local `from_pretrained` folder or hub id.

    Args:
        device: "auto", "cpu", "cuda" or "mps".
        dtype: "auto" (float32), "float32", "float64", "bfloat16" or "float16".
        revision: branch, tag or commit of a hub checkpoint.
        regions: a region provider's options, {"provider": "grid", "rows": 6, "columns": 6} or {"provider": "frcnn",
            "checkpoint": FOLDER}; by default the checkpoint's own.
        features: a file or folder of region features that were computed before, in the place of a region provider.
        answers: what the answers are called, by index, or a file that says so (a JSON array, or one a line).

    Raises:
        UsageError: no such name, family, device or dtype.
        CheckpointError: the files are missing or broken.
    """
    device, dtype = checkpoints.pick_device(device), checkpoints.check_dtype(dtype)
    source = checkpoints.resolve(name, revision)
    config = checkpoints.read_config(source)
    family = get_family(config.model_type)
    given = Given(regions, None if features is None else Path(features),
                  Path(answers) if isinstance(answers, str) else answers)
    if given != NOTHING_GIVEN and not isinstance(family, VqaFamily):
        raise UsageError(f"{source.name} takes no regions, features or answers: it looks at the whole picture.",
                         "Leave them out.")
    network, leftovers = checkpoints.load_with_leftovers(source, family.architecture, device=device, dtype=dtype)
    info = ModelInfo(source.name, config.model_type, checkpoints.revision_of(source), device, dtype)
    return Model(source, network, family, info, given, leftovers)
