"""DETR (Carion et al. 2020): a stream of image cells through the encoder, a stream of object queries that reads it.

The graph starts at the encoder's input and at the decoder's content queries, so position embeddings are constants
and nothing flows into the backbone. `auxiliary_loss` stays off: in transformers 5.23 it changes the forward.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert
from transformers import PreTrainedConfig

from mmx.capture import Chosen, Outputs, Readout, ReferenceTraits
from mmx.errors import UsageError
from mmx.families.base import Family, Inputs
from mmx.methods.base import Rows
from mmx.schedule import Schedule, Site


@dataclass(frozen=True)
class Keep:
    """Which detections of each picture to explain: those surer than `threshold`, of one class if one is given."""

    threshold: float = 0.5
    label: int | None = None


_STRIDES = (32, 16, 8, 4, 64, 2, 1)


class Detr(Family):
    architecture = "DetrForObjectDetection"
    task = "object detection"
    graph_roots = ("model.input_projection", "model.decoder:inputs_embeds")
    readout_streams = ("query",)
    reference = ReferenceTraits(conserve_in_linear=True, drops_undefined_layers=True)

    def schedule(self, config: PreTrainedConfig) -> Schedule:
        encoder = [(Site(f"model.encoder.layers.{i}.self_attn", "image", "image"),)
                   for i in range(config.encoder_layers)]
        decoder = [step for i in range(config.decoder_layers) for step in (
            (Site(f"model.decoder.layers.{i}.self_attn", "query", "query"),),
            (Site(f"model.decoder.layers.{i}.encoder_attn", "query", "image"),))]
        return (*encoder, *decoder)

    def run(self, network: nn.Module, inputs: Inputs) -> Outputs:
        found = network(**inputs)
        return {"logits": found.logits, "boxes_xyxy_unit": box_convert(found.pred_boxes, "cxcywh", "xyxy"),
                "cells": found.encoder_last_hidden_state[:, :, 0]}

    def valid(self, inputs: Inputs, outputs: Outputs) -> dict[str, Tensor]:
        """As the model shrinks its pixel mask, so that padding of smaller pictures counts for nothing."""
        if "pixel_mask" not in inputs:
            return {}
        grid = grid_of(inputs["pixel_values"], outputs["cells"].shape[1])
        mask = nn.functional.interpolate(inputs["pixel_mask"][None].float(), size=grid).to(torch.bool)[0]
        return {"image": mask.flatten(1)}

    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """`target`: (query, class or None for the predicted one), a list of them, or `Keep`; None is `Keep()`.

        Items of `Keep` are in order of pictures, then of queries; there may be none.
        """
        logits = outputs["logits"]
        best = logits[..., :-1].argmax(-1)
        if target is None or isinstance(target, Keep):
            sample, query = kept_detections(logits, target or Keep())
            return Chosen(logits[sample, query, best[sample, query]], sample, query)
        pairs = [target] if isinstance(target, tuple) else list(target)  # type: ignore[call-overload]
        batch, queries, classes = logits.shape
        if batch > 1 and len(pairs) != batch:
            raise UsageError(f"{len(pairs)} targets were given for {batch} pictures.", "Give one for each.")
        for pair in pairs:
            _check(pair, queries, classes)
        sample = torch.arange(batch) if batch > 1 else torch.zeros(len(pairs), dtype=torch.long)
        query = torch.tensor([pair[0] for pair in pairs])
        chosen = torch.tensor([int(best[s, q]) if label is None else label for s, (q, label) in
                               zip(sample.tolist(), pairs, strict=True)])
        sample, query, chosen = (index.to(logits.device) for index in (sample, query, chosen))
        return Chosen(logits[sample, query, chosen], sample, query)

    def readouts(self, inputs: Inputs, chosen: Chosen) -> tuple[Readout, ...]:
        assert chosen.positions is not None
        return (Readout("query", chosen.positions),)

    def scores(self, rows: Rows, inputs: Inputs, chosen: Chosen) -> dict[str, Tensor]:
        return {"image": rows["query", "image"]}


def kept_detections(logits: Tensor, keep: Keep) -> tuple[Tensor, Tensor]:
    """Samples and queries of the detections to keep, (items,) each, out of logits (batch, queries, classes + 1).

    The score is the largest class probability beside "no object"; it must be over the threshold, as in the
    reference.
    """
    score, label = logits.detach().float().softmax(-1)[..., :-1].max(-1)
    kept = score > keep.threshold
    if keep.label is not None:
        kept &= label == keep.label
    sample, query = kept.nonzero(as_tuple=True)
    return sample, query


def _check(pair: object, queries: int, classes: int) -> None:
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise UsageError(f"A target of DETR is (query, class or None), not {pair!r}.")
    query, chosen = pair
    if not 0 <= int(query) < queries:
        raise UsageError(f"There is no query {query}; the model has {queries} (0 to {queries - 1}).")
    if chosen is not None and not 0 <= int(chosen) < classes - 1:
        raise UsageError(f"There is no class {chosen}; the model has {classes - 1} (0 to {classes - 2}).")


def grid_of(pixel_values: Tensor, cells: int) -> tuple[int, int]:
    """Rows and columns of the encoder's grid, out of the picture's size and the number of cells."""
    height, width = pixel_values.shape[-2:]
    for stride in _STRIDES:
        rows, columns = ceil(height / stride), ceil(width / stride)
        if rows * columns == cells:
            return rows, columns
    raise UsageError(f"A picture of {height} x {width} pixels does not give {cells} cells at any known stride.")


FAMILY = Detr()
