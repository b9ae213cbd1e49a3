"""What the vision-language models of Qwen share: pictures of any size, whose patches come in blocks of 2 x 2, each of
which is merged to one image token.
"""

from collections.abc import Callable
from typing import Any

from mmx.families._decoders import asked, decoder, of_tokens
from mmx.families._layouts import merged_blocks
from mmx.families.base import Checkpoint, Family, Tensors, Tower, layers
from mmx.schedule import Schedule


def grids(inputs: Tensors) -> list[tuple[int, int]]:
    """Rows and columns of patches of the pictures of a sample."""
    found = inputs["image_grid_thw"].tolist()
    return [(rows, columns) for frames, rows, columns in found[:len(found) // len(inputs["input_ids"])]
            for _ in range(frames)]


def whole_pictures(config: Any) -> Schedule:
    """The layers of a tower in which all patches of a picture attend to each other, and to no other picture's."""
    return tuple(layers("model.visual.blocks.{}.attn", "image", config.vision_config.depth, windows=_pictures))


def _pictures(network: Any, inputs: Tensors) -> Any:
    """The patches of each, numbered as the processor has them."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    sizes = [rows * columns for rows, columns in grids(inputs)]
    return pad_sequence(list(torch.arange(sum(sizes)).split(sizes)), batch_first=True, padding_value=-1)


def _token_of(network: Any, inputs: Tensors) -> Any:
    import torch

    patches = sum(rows * columns for rows, columns in grids(inputs))
    return torch.arange(patches) // network.config.vision_config.spatial_merge_size**2


def family(architecture: str, model_type: str, *checkpoints: Checkpoint,
           tower: Callable[[Any], Schedule] = whole_pictures) -> Family:
    """One of them. `tower`: the sites of its tower."""
    return decoder(architecture, model_type, asked(merged_blocks),
                   Tower(schedule=tower, root="model.visual.patch_embed", into=of_tokens(_token_of)), *checkpoints)
