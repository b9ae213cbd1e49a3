"""LLaVA (Liu et al. 2023, arXiv 2310.03744): patches of a CLIP tower, a token each, in a language model's prompt."""

from typing import Any

from mmx.families._decoders import (
    asked,
    blocks_in_tiles,
    decoder,
    in_tiles,
    layers_read,
    patch_grid,
    tiles_in_row,
    tower_of_tiles,
)
from mmx.families._layouts import cropped
from mmx.families.base import Checkpoint, Shown, Tensors, Tiling


def _keeps_class_token(config: Any) -> int:
    """As an image token of its own, in front of its picture's."""
    vision = config.vision_config
    return int(vision.model_type == "clip_vision_model" and config.vision_feature_select_strategy == "full")


def _token_of(config: Any, inputs: Tensors) -> Any:
    tiles, grid = tiles_in_row(config, inputs), patch_grid(config, inputs)
    if before := _keeps_class_token(config):
        return in_tiles(tiles, grid[0] * grid[1], before).flatten().argsort()
    return blocks_in_tiles(tiles, grid)


def _tiling(shown: Shown) -> Tiling:
    return cropped(shown, before=_keeps_class_token(shown.config))


FAMILY = decoder(
    "LlavaForConditionalGeneration", "llava", asked(_tiling), tower_of_tiles(tiles_in_row, _token_of, read=layers_read),
    Checkpoint("shapes-vlm"), Checkpoint("llava-hf/llava-1.5-7b-hf", "photographs", 14127, "Llama 2"))
