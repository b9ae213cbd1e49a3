"""Explains what a detector finds: every kept detection of each picture, out of one forward."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmx.devices import quarter_of_gpu
from mmx.engine import attribute
from mmx.families.detr import Keep, grid_of
from mmx.images import alike
from mmx.methods import Method
from mmx.tasks.base import seed_of
from mmx.types import Picture

if TYPE_CHECKING:
    from mmx.explainer import Model

# A backward for one picture's detection goes through the whole batch. On the CPU, where large pictures gain nothing by
# sharing a forward, those with few detections would only pay for those with many.
_CPU_PIXELS = 2**20
_GPU_BYTES_A_PIXEL = 2**10


@dataclass(frozen=True)
class Found:
    """What a detector found in one picture, all of it on the CPU.

    Attributes:
        scores, labels: of every object query, (queries,): the largest class probability and its class.
        boxes_xyxy_px: of every query, (queries, 4), in the picture's pixels.
        kept: the queries that are explained, (k,): ascending, or as a list of targets has them.
        relevance: by method, (k, rows, cols), raw, over the cells that show the picture.
        input_size: height and width of the picture as the model took it.
        probabilities: of every query and class, (queries, classes), without "no object".
    """

    scores: Tensor
    labels: Tensor
    boxes_xyxy_px: Tensor
    kept: Tensor
    relevance: Mapping[str, Tensor]
    input_size: tuple[int, int]
    probabilities: Tensor


def explain_detections(model: "Model", pictures: Sequence[Picture], methods: Sequence[Method],
                       target: object = None, *, max_memory: int | None = None) -> list[Found]:
    """One forward for pictures of one size, as many as suit the device; backwards in chunks that fit `max_memory`.

    Sizes are not mixed: padding changes what the backbone sees at a picture's edge, and with it what is found.

    Args:
        pictures: of any sizes.
        target: `Keep`, or for one picture a list of (query, class or None).
        max_memory: in bytes.
    """
    encoded = [model.processor([picture.image], return_tensors="pt") for picture in pictures]
    found: dict[int, Found] = {}
    for indices in _batches([one["pixel_values"].shape for one in encoded], model.info.device):
        inputs = {name: torch.cat([encoded[index][name] for index in indices])
                  for name in ("pixel_values", "pixel_mask")}
        same_size = [pictures[index] for index in indices]
        found |= zip(indices, _explain_alike(model, same_size, inputs, methods, target or Keep(), max_memory),
                     strict=True)
    return [found[index] for index in range(len(pictures))]


def _batches(shapes: Sequence[torch.Size], device: str) -> Iterator[list[int]]:
    """Which pictures go through the model together."""
    on_gpu = quarter_of_gpu(device)
    pixels = on_gpu // _GPU_BYTES_A_PIXEL if on_gpu else _CPU_PIXELS
    for indices in alike(shapes):
        height, width = shapes[indices[0]][-2:]
        at_once = max(1, pixels // (height * width))
        yield from (indices[start:start + at_once] for start in range(0, len(indices), at_once))


def _explain_alike(model: "Model", pictures: Sequence[Picture], encoded: Mapping[str, Tensor],
                   methods: Sequence[Method], target: object, max_memory: int | None) -> list[Found]:
    inputs = model.to_model(encoded)
    inputs["pixel_mask"] = inputs["pixel_mask"].to(inputs["pixel_values"].dtype)
    seeds = [seed_of(picture.sha256) for picture in pictures]
    scores, outputs = attribute(model.network, model.family, inputs, methods, target, ignore_padding=True, seeds=seeds,
                                max_memory=max_memory)
    chosen = model.family.choose(outputs, target)
    assert chosen.positions is not None
    grid = grid_of(inputs["pixel_values"], outputs["cells"].shape[1])
    valid = model.family.valid(inputs, outputs)["image"].reshape(-1, *grid).cpu()
    sizes = [(int(mask[:, 0].sum()), int(mask[0].sum())) for mask in inputs["pixel_mask"]]
    probabilities = outputs["logits"].float().softmax(-1)[..., :-1].cpu()
    best, labels = probabilities.max(-1)
    found = []
    for index, picture in enumerate(pictures):
        items = (chosen.samples == index).nonzero().flatten()
        side = torch.tensor([*picture.image.size, *picture.image.size])
        maps = {name: _on_picture(rows["image"][items].cpu(), valid[index]) if rows else torch.zeros(0, *grid)
                for name, rows in scores.items()}
        found.append(Found(best[index], labels[index], outputs["boxes_xyxy_unit"][index].float().cpu() * side,
                           chosen.positions[items].cpu(), maps, sizes[index], probabilities[index]))
    return found


def _on_picture(rows: Tensor, valid: Tensor) -> Tensor:
    """(k, cells) as maps (k, rows, cols) over the cells that are not padding."""
    height, width = int(valid[:, 0].sum()), int(valid[0].sum())
    return rows.reshape(len(rows), *valid.shape)[:, :height, :width]
