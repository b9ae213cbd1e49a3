"""Gemma 3 (Gemma Team 2025, arXiv 2503.19786): a picture, and crops of it where asked for, each by itself; its patches
are pooled to image tokens, which see each other. In most layers of the language model tokens see what is near alone.
"""

from typing import Any

from mmx.families._decoders import asked, blocks_in_tiles, decoder, patch_grid, tiles_in_row, tower_of_tiles
from mmx.families._layouts import pan_and_scan
from mmx.families.base import Checkpoint, Tensors


def _token_of(config: Any, inputs: Tensors) -> Any:
    grid = patch_grid(config, inputs)
    return blocks_in_tiles(tiles_in_row(config, inputs), grid, grid[0] // int(config.mm_tokens_per_image**0.5))


FAMILY = decoder(
    "Gemma3ForConditionalGeneration", "gemma3", asked(pan_and_scan), tower_of_tiles(tiles_in_row, _token_of),
    Checkpoint("google/gemma-3-4b-it", "photographs", 8600, "Gemma"))
