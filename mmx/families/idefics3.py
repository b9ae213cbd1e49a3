"""Idefics3 (Laurençon et al. 2024, arXiv 2408.12637) and SmolVLM (Marafioti et al. 2025, arXiv 2504.05299).

A picture is shown in tiles and as a whole, each by itself; blocks of patches are put together to one image token.
"""

from typing import Any

from mmx.families._decoders import ANSWERS, READS, TOKENS, asked, in_tiles, of_tokens, outputs
from mmx.families._grids import merged
from mmx.families._layouts import rows_and_columns
from mmx.families.base import Checkpoint, Family, Tensors, Tower, layers


def _grid(network: Any, inputs: Tensors) -> tuple[int, int]:
    """Of one tile."""
    height, width = (side // network.config.vision_config.patch_size for side in inputs["pixel_values"].shape[-2:])
    return height, width


def _windows(network: Any, inputs: Tensors) -> Any:
    height, width = _grid(network, inputs)
    return in_tiles(inputs["pixel_values"].shape[1], height * width)


def _token_of(network: Any, inputs: Tensors) -> Any:
    import torch

    tiles, block = inputs["pixel_values"].shape[1], merged(_grid(network, inputs), network.config.scale_factor)[0]
    return (torch.arange(tiles)[:, None] * (block.max() + 1) + block).flatten()


def _family(architecture: str, model_type: str, *checkpoints: Checkpoint) -> Family:
    return Family(
        architectures=(architecture,),
        model_type=model_type,
        score=ANSWERS,
        inputs=asked(rows_and_columns),
        schedule=lambda config: tuple(
            layers("model.text_model.layers.{}.self_attn", "text", config.text_config.num_hidden_layers)),
        roots=("model.text_model:inputs_embeds",),
        tokens=TOKENS,
        reads=READS,
        outputs=outputs,
        tower=Tower(
            schedule=lambda config: tuple(layers("model.vision_model.encoder.layers.{}.self_attn", "image",
                                                 config.vision_config.num_hidden_layers, windows=_windows)),
            roots=("model.vision_model.embeddings",),
            into=of_tokens(_token_of)),
        checkpoints=checkpoints,
    )


FAMILY = (
    _family("Idefics3ForConditionalGeneration", "idefics3",
            Checkpoint("HuggingFaceM4/Idefics3-8B-Llama3", "photographs", 16925, "Apache-2.0")),
    _family("SmolVLMForConditionalGeneration", "smolvlm",
            Checkpoint("HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "photographs", 1026, "Apache-2.0"),
            Checkpoint("HuggingFaceTB/SmolVLM2-2.2B-Instruct", "photographs", 8986, "Apache-2.0")),
)
