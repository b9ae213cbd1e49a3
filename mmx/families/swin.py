"""Swin (Liu et al. 2021, arXiv 2103.14030) and Swin V2 (Liu et al. 2022, arXiv 2111.09883), whose patches attend within
windows, shifted in every other layer, and are merged 2 x 2 between stages: each stage is a stream of its own.

The head reads the mean of the last stage's tokens; scores are those of the first stage's patches, of 4 x 4 pixels,
without what each patch has of itself, which is the same for all of them and outweighs the rest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from mmx.families._grids import in_windows, merged
from mmx.families.base import Checkpoint, Classes, Family, Pixels, Read, Tensors
from mmx.schedule import Link, Site, Step


def _grid(stage: int, network: Any, inputs: Tensors) -> tuple[int, int]:
    """Half as many tokens as in the stage before, rounded up."""
    height, width = inputs["pixel_values"].shape[-2:]
    down, across = network.base_model.embeddings.patch_embeddings.patch_size
    return -(-height // (down * 2**stage)), -(-width // (across * 2**stage))


def _windows(stage: int, layer: int, network: Any, inputs: Tensors) -> Any:
    """One that is as large as its stage is not shifted: in V2 by the config's size, in V1 by the picture's."""
    block, grid = network.base_model.encoder.layers[stage].blocks[layer], _grid(stage, network, inputs)
    if hasattr(block, "set_shift_and_window_size") and min(grid) <= block.window_size:
        return in_windows(grid, min(grid))
    return in_windows(grid, block.window_size, block.shift_size)


@contextmanager
def _as_found(network: Any) -> Iterator[None]:
    """Layers of V1 keep the window and the shift of the smallest picture that they ever saw."""
    blocks = [block for stage in network.base_model.encoder.layers for block in stage.blocks]
    before = [(block.window_size, block.shift_size) for block in blocks]
    try:
        yield
    finally:
        for block, (size, shift) in zip(blocks, before, strict=True):
            block.window_size, block.shift_size = size, shift


def _schedule(model: str, config: Any) -> Iterator[Step]:
    streams = ("image", *(f"stage {number}" for number in range(2, len(config.depths))), "top")
    for stage, (stream, layers) in enumerate(zip(streams, config.depths, strict=False)):
        if stage:
            yield Link(stream, streams[stage - 1], lambda *given, before=stage - 1: merged(_grid(before, *given)))
        for layer in range(layers):
            attention = f"{model}.encoder.layers.{stage}.blocks.{layer}.attention"
            yield (Site(f"{attention}.self.dropout|{attention}", stream, stream, layer_of="image",
                        windows=partial(_windows, stage, layer)),)


def _family(version: str, model: str, *published: tuple[str, float]) -> Family:
    return Family(
        architectures=(f"{version}ForImageClassification",),
        model_type=model,
        score=Classes(),
        inputs=(Pixels(any_size=True, shrinks=False, pads=True),),
        schedule=lambda config: tuple(_schedule(model, config)),
        roots={"image": f"{model}.embeddings"},
        reads=(Read("top", weights={"top": 1.0}, omits_identity=True),),
        start_layers={"image": 0},
        around=_as_found,
        checkpoints=tuple(Checkpoint(f"microsoft/{name}", "photographs (ImageNet)", size, "Apache-2.0")
                          for name, size in published),
    )


FAMILY = (_family("Swin", "swin", ("swin-tiny-patch4-window7-224", 113), ("swin-base-patch4-window7-224", 351)),
          _family("Swinv2", "swinv2", ("swinv2-tiny-patch4-window8-256", 113)))
