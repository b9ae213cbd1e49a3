"""Idefics3 (Laurençon et al. 2024, arXiv 2408.12637) and SmolVLM (Marafioti et al. 2025, arXiv 2504.05299).

A picture is shown in tiles and as a whole, each by itself; blocks of patches are put together to one image token.
"""

from typing import Any

from mmx.families._decoders import asked, blocks_in_tiles, decoder, patch_grid, tower_of_tiles
from mmx.families._layouts import rows_and_columns
from mmx.families.base import Checkpoint, Family, Tensors


def _tiles(config: Any, inputs: Tensors) -> int:
    """Of a sample."""
    return inputs["pixel_values"].shape[1]


def _token_of(config: Any, inputs: Tensors) -> Any:
    return blocks_in_tiles(_tiles(config, inputs), patch_grid(config, inputs), config.scale_factor)


def _family(architecture: str, model_type: str, *checkpoints: Checkpoint) -> Family:
    return decoder(architecture, model_type, asked(rows_and_columns),
                   tower_of_tiles(_tiles, _token_of, module="model.vision_model"), *checkpoints,
                   module="model.text_model")


FAMILY = (
    _family("Idefics3ForConditionalGeneration", "idefics3",
            Checkpoint("HuggingFaceM4/Idefics3-8B-Llama3", "photographs", 16925, "Apache-2.0")),
    _family("SmolVLMForConditionalGeneration", "smolvlm",
            Checkpoint("HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "photographs", 1026, "Apache-2.0"),
            Checkpoint("HuggingFaceTB/SmolVLM2-2.2B-Instruct", "photographs", 8986, "Apache-2.0")),
)
