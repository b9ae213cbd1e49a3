"""All that the segmentation study asks of a detector."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmx.asking.queries import boxes_xyxy_px, class_shares
from mmx.checkpoints.families import check_detects
from mmx.devices import quarter_of_gpu
from mmx.engine import Attribution
from mmx.methods import Method
from mmx.model.batching import Group, Job
from mmx.model.running import attributions
from mmx.reference import ReferenceSizes, edges_of, reference_size
from mmx.results import Asked, Patches, Picture, Unit
from mmx.studies.models import Model
from mmx.wiring import Inputs

__all__ = ["Detector", "Found", "reference_size", "with_reference_sizes"]


@dataclass(frozen=True)
class Found:
    """What a detector found in one picture, all of it on the CPU.

    Attributes:
        scores, labels: of every object query, (queries,): the largest class probability and its class.
        boxes_xyxy_px: of every query, (queries, 4), in the picture's pixels.
        kept: the queries that are explained, (k,), ascending.
        relevance: by method, (k, rows, cols), raw, over the cells that show the picture.
        input_size: height and width of the picture as the model took it.
    """

    scores: Tensor
    labels: Tensor
    boxes_xyxy_px: Tensor
    kept: Tensor
    relevance: Mapping[str, Tensor]
    input_size: tuple[int, int]


FOR_PHOTOGRAPHS = "facebook/detr-resnet-50"


class Detector:
    """A detector whose relevance is made into masks.

    Attributes:
        model: as it was given.
        threshold: detections whose score is above it are explained.
        max_memory: bytes that may be taken beside the model, which digits depend on, or by default those that gradients
            may take; None for the engine's choice.

    Raises:
        UsageError: the model finds no objects.
    """

    def __init__(self, model: Model, threshold: float = 0.5, max_memory: int | None = None, *,
                 reference_sizes: bool = False) -> None:
        check_detects(model.family, model.info.name)
        self.model, self.threshold = model, threshold
        self._limit = max_memory
        self.max_memory = max_memory if max_memory is not None else quarter_of_gpu(model.info.device)
        self._sized = with_reference_sizes(model) if reference_sizes else model

    @property
    def on_cpu(self) -> bool:
        return self.model.info.device == "cpu"

    @property
    def unit(self) -> Unit:
        """Of a detection's score."""
        return self.model.asking.score.unit

    @property
    def labels(self) -> Mapping[int, str]:
        """Names of its classes, by number."""
        return dict(enumerate(self.model.labels))

    def find(self, pictures: Sequence[Picture], methods: Sequence[Method]) -> list[Found]:
        """What it finds in each picture, and the relevance of what is surer than the threshold, out of one forward."""
        parts = self._sized.parts
        found: dict[int, Found] = {}
        jobs = [Job(one, Asked(threshold=self.threshold)) for one in pictures]
        for indices, group, attribution in attributions(parts, jobs, methods, limit=self._limit,
                                                        gradients=self.max_memory):
            found |= {index: _found(group, place, attribution) for place, index in enumerate(indices)}
        return [found[index] for index in range(len(pictures))]


def _found(group: Group, place: int, attribution: Attribution) -> Found:
    outputs, chosen = attribution.outputs, attribution.chosen
    [sample] = group.batch.samples[place]
    unit = group.parts.model.asking.score.unit
    scores, labels = class_shares(outputs["logits"][sample], unit).cpu().max(-1)
    located = group.located(place, outputs)
    [grid] = located.elements
    assert isinstance(grid, Patches)
    assert chosen.positions is not None
    items = (chosen.samples == sample).nonzero().flatten()
    maps = {}
    for name, by_part in attribution.scores.items():
        rows = by_part[located.part][items].cpu() if by_part else torch.zeros(0, len(grid))
        rows = rows if located.shown is None or not by_part else rows[:, located.shown]
        maps[name] = rows.reshape(-1, grid.rows, grid.columns)
    return Found(scores, labels, boxes_xyxy_px(outputs["boxes"][sample], group.batch.shown_xyxy_px[place]),
                 chosen.positions[items].cpu(), maps, _input_size(group.inputs, sample))


def _input_size(inputs: Inputs, sample: int) -> tuple[int, int]:
    if "pixel_mask" not in inputs:
        height, width = inputs["pixel_values"].shape[-2:]
        return height, width
    mask = inputs["pixel_mask"][sample]
    return int(mask[:, 0].sum()), int(mask[0].sum())


def with_reference_sizes(model: Model) -> Model:
    """The same model, whose pictures are sized as the reference sizes those of its family, where it does.

    One with a fixed size stays as it is.

    Both scale the short side, within a limit for the long one; the reference rounds the scaled short side before it
    takes the long one from it, so some pictures come out a pixel smaller than transformers makes them.
    """
    processor = model.parts.pictures.processor
    resizes = model.family.reference.sizes_pictures and getattr(processor, "do_resize", False)
    return model.with_processor(ReferenceSizes(processor)) if resizes and edges_of(processor) else model
