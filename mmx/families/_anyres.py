"""What LLaVA-NeXT and LLaVA-OneVision share: the whole picture and tiles of it, whose tokens are read line by line
across them, without those of padding.
"""

from typing import Any

from mmx.families._decoders import asked, decoder, layers_read, tower_of_tiles
from mmx.families._layouts import best_resolution, in_lines, views_in_lines
from mmx.families.base import Checkpoint, Family, Tensors


def _tiles(config: Any, inputs: Tensors) -> int:
    """Of a sample, without those that pictures of fewer tiles are filled up with."""
    return views_in_lines(config, inputs, len(inputs["input_ids"]))


def _token_of(config: Any, inputs: Tensors) -> Any:
    import torch

    found, start = [], 0
    for tiling in in_lines(config, inputs, len(inputs["input_ids"])):
        into = torch.tensor(tiling.into)
        found.append(torch.where(into < 0, -1, into + start))
        start += tiling.tokens.count
    return torch.cat(found)


def family(architecture: str, model_type: str, *checkpoints: Checkpoint) -> Family:
    """One of them."""
    return decoder(architecture, model_type, asked(best_resolution),
                   tower_of_tiles(_tiles, _token_of, read=layers_read), *checkpoints)
