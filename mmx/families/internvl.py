"""InternVL (Chen et al. 2024, arXiv 2312.14238, 2412.05271; Zhu et al. 2025, arXiv 2504.10479): tiles of a picture and
the whole of it, each by itself; blocks of patches are put together to one image token.
"""

from typing import Any

from mmx.families._decoders import (
    asked,
    blocks_in_tiles,
    decoder,
    layers_read,
    patch_grid,
    tiles_in_row,
    tower_of_tiles,
)
from mmx.families._layouts import best_aspect_ratio
from mmx.families.base import Checkpoint, Tensors


def _token_of(config: Any, inputs: Tensors) -> Any:
    return blocks_in_tiles(tiles_in_row(config, inputs), patch_grid(config, inputs), round(1 / config.downsample_ratio))


FAMILY = decoder(
    "InternVLForConditionalGeneration", "internvl", asked(best_aspect_ratio),
    tower_of_tiles(tiles_in_row, _token_of, attention="encoder.layer.{}.attention", read=layers_read),
    Checkpoint("OpenGVLab/InternVL3-1B-hf", "photographs", 1877, "Qwen"),
    Checkpoint("OpenGVLab/InternVL3-8B-hf", "photographs", 15889, "Qwen"))
