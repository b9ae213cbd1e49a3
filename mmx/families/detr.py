"""DETR (Carion et al. 2020): a stream of image cells through the encoder, a stream of object queries that reads it.

The graph starts at the encoder's input and at the decoder's content queries, so position embeddings are constants
and nothing flows into the backbone. `auxiliary_loss` stays off: in transformers 5.23 it changes the forward.
"""

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
        """`target`: (query, class or None for the predicted one), or a list of them; None is the surest detection."""
        logits = outputs["logits"]
        batch, queries, classes = logits.shape
        best = logits[..., :-1].argmax(-1)
        if target is None:
            surest = logits.softmax(-1)[..., :-1].amax(-1).argmax(1)
            pairs = [(int(query), None) for query in surest]
            samples = list(range(batch))
        else:
            pairs = [target] if isinstance(target, tuple) else list(target)  # type: ignore[call-overload]
            samples = list(range(batch)) if len(pairs) == batch else [0] * len(pairs)
            if batch > 1 and len(pairs) != batch:
                raise UsageError(f"{len(pairs)} targets were given for {batch} pictures.", "Give one for each.")
        for pair in pairs:
            _check(pair, queries, classes)
        query = torch.tensor([pair[0] for pair in pairs], device=logits.device)
        sample = torch.tensor(samples, device=logits.device)
        chosen = torch.tensor([best[s, q] if c is None else c for s, (q, c) in zip(samples, pairs, strict=True)],
                              device=logits.device)
        return Chosen(logits[sample, query, chosen], sample, query)

    def readouts(self, inputs: Inputs, chosen: Chosen) -> tuple[Readout, ...]:
        assert chosen.positions is not None
        return (Readout("query", chosen.positions),)

    def scores(self, rows: Rows, inputs: Inputs, chosen: Chosen) -> dict[str, Tensor]:
        return {"image": rows["query", "image"]}


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
