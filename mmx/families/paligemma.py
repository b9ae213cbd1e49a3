"""PaliGemma (Beyer et al. 2024, arXiv 2407.07726) and PaliGemma 2 (Steiner et al. 2024, arXiv 2412.03555).

Image tokens, and the whole prompt behind them, see each other; the answer alone is written from left to right.
"""

from typing import Any

from mmx.families._decoders import asked, blocks_in_tiles, decoder, patch_grid, tiles_in_row, tower_of_tiles
from mmx.families._layouts import cropped
from mmx.families.base import Checkpoint, Tensors


def _token_of(config: Any, inputs: Tensors) -> Any:
    return blocks_in_tiles(tiles_in_row(config, inputs), patch_grid(config, inputs))


FAMILY = decoder(
    "PaliGemmaForConditionalGeneration", "paligemma",
    asked(cropped, form="{image}{question}\n", ends="\n", caption="caption en", token_type_ids=1),
    tower_of_tiles(tiles_in_row, _token_of),
    Checkpoint("google/paligemma-3b-mix-224", "photographs", 11694, "Gemma"),
    Checkpoint("google/paligemma2-3b-mix-224", "photographs", 6066, "Gemma"))
