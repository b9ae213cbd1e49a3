"""All that the segmentation study asks of a detector: the one place of it that knows tasks and families."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from PIL import Image

from mmx.devices import quarter_of_gpu
from mmx.errors import UsageError
from mmx.families.detr import Keep
from mmx.methods import Method
from mmx.studies.models import Model, Picture, task_of
from mmx.tasks.detections import Found, explain_detections

__all__ = ["Detector", "Found", "reference_size", "with_reference_sizes"]

FOR_PHOTOGRAPHS = "facebook/detr-resnet-50"
UNIT = "softmax"
"""Of a detection's score."""


class Detector:
    """A detector whose relevance is made into masks.

    Attributes:
        model: as it was given.
        threshold: detections whose score is above it are explained.
        max_memory: bytes that gradients may take, which digits depend on; None for the engine's choice.

    Raises:
        UsageError: the model finds no objects.
    """

    def __init__(self, model: Model, threshold: float = 0.5, max_memory: int | None = None, *,
                 reference_sizes: bool = False) -> None:
        if task_of(model) != "object detection":
            raise UsageError(f"{model.info.name} does {task_of(model)}; only a detector can be scored by masks.",
                             f"Name one: --model {FOR_PHOTOGRAPHS}.")
        self.model, self.threshold = model, threshold
        self.max_memory = max_memory if max_memory is not None else quarter_of_gpu(model.info.device)
        self._sized = with_reference_sizes(model) if reference_sizes else model

    @property
    def on_cpu(self) -> bool:
        return self.model.info.device == "cpu"

    @property
    def labels(self) -> Mapping[int, str]:
        """Names of its classes."""
        return self.model.network.config.id2label

    def find(self, pictures: Sequence[Picture], methods: Sequence[Method]) -> list[Found]:
        """What it finds in each picture, and the relevance of what is surer than the threshold, out of one forward."""
        return explain_detections(self._sized, pictures, methods, Keep(self.threshold), max_memory=self.max_memory)


def with_reference_sizes(model: Model) -> Model:
    """The same model, whose pictures are sized as the reference sizes them; one with a fixed size stays as it is.

    Both scale the short side, within a limit for the long one; the reference rounds the scaled short side before it
    takes the long one from it, so some pictures come out a pixel smaller than transformers makes them.
    """
    if not getattr(model.processor, "do_resize", False) or _edges(model.processor) is None:
        return model
    twin = copy(model)
    twin.processor = ReferenceSizes(model.processor)  # type: ignore[assignment]
    return twin


class ReferenceSizes:
    """A processor that finds its pictures sized already."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        edges = _edges(processor)
        assert edges is not None
        self._short, self._long = edges

    def __call__(self, images: Sequence[Image.Image], **options: Any) -> Any:
        sized = [image.resize(reference_size(image.size, self._short, self._long), Image.Resampling.BILINEAR)
                 for image in images]
        return self._processor(sized, do_resize=False, **options)


def reference_size(size: tuple[int, int], short: int, long: int) -> tuple[int, int]:
    """Width and height after scaling, out of those before."""
    width, height = size
    least, most = min(size), max(size)
    if most / least * short > long:
        short = round(long * least / most)
    if least == short:
        return width, height
    return (short, int(short * height / width)) if width < height else (int(short * width / height), short)


def _edges(processor: Any) -> tuple[int, int] | None:
    size = getattr(processor, "size", None) or {}
    short, long = (size.get(name) for name in ("shortest_edge", "longest_edge"))
    return (short, long) if short and long else None
