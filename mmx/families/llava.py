"""LLaVA (Liu et al. 2023, arXiv 2310.03744): patches of a CLIP tower, a token each, in a language model's prompt."""

from typing import Any

from mmx.families._decoders import ANSWERS, READS, TOKENS, asked, in_tiles, of_tokens, outputs
from mmx.families._tilings import View, whole
from mmx.families.base import Checkpoint, Family, Part, Shown, Tensors, Tiling, Tower, layers


def _tiles(inputs: Tensors) -> int:
    """Pictures of a sample."""
    return len(inputs["pixel_values"]) // len(inputs["input_ids"])


def _patches(config: Any, inputs: Tensors) -> int:
    """Of one picture."""
    height, width = (side // config.vision_config.patch_size for side in inputs["pixel_values"].shape[-2:])
    return height * width


def _class_tokens(network: Any) -> int:
    return int(hasattr(network.model.vision_tower.get_submodule("embeddings"), "class_embedding"))


def _windows(network: Any, inputs: Tensors) -> Any:
    return in_tiles(_tiles(inputs), _patches(network.config, inputs), _class_tokens(network))


def _token_of(network: Any, inputs: Tensors) -> Any:
    """Patches in order; a class token is an image token of its own, in front of them, or none at all."""
    import torch

    tiles, patches, before = _tiles(inputs), _patches(network.config, inputs), _class_tokens(network)
    if before and network.config.vision_feature_select_strategy == "full":
        windows = _windows(network, inputs).flatten()
        return windows.argsort()
    return torch.cat([torch.arange(tiles * patches), torch.full((tiles * before,), -1)])


def _read_layers(config: Any) -> int:
    """The layers of the tower before the last one whose output is read."""
    count, read = config.vision_config.num_hidden_layers, config.vision_feature_layer
    return max(one % (count + 1) for one in (read if isinstance(read, list | tuple) else [read]))


def _tiling(shown: Shown) -> Tiling:
    vision, full = shown.config.vision_config, shown.config.vision_feature_select_strategy == "full"
    return whole(shown.part(), View(shown.tensors["pixel_values"].shape[-1], vision.patch_size,
                                    before=int(full and vision.model_type == "clip_vision_model")))


FAMILY = Family(
    architectures=("LlavaForConditionalGeneration",),
    model_type="llava",
    score=ANSWERS,
    inputs=asked(_tiling),
    schedule=lambda config: tuple(
        layers("model.language_model.layers.{}.self_attn", "text", config.text_config.num_hidden_layers)),
    roots=("model.language_model:inputs_embeds",),
    tokens=TOKENS,
    reads=READS,
    outputs=outputs,
    tower=Tower(
        schedule=lambda config: tuple(
            layers("model.vision_tower.encoder.layers.{}.self_attn", "image", _read_layers(config), windows=_windows)),
        roots=("model.vision_tower.embeddings",),
        into=of_tokens(_token_of),
        tokens=(Part("image", size=lambda config, inputs: _tiles(inputs) * _patches(config, inputs)), Part("cls"))),
    checkpoints=(Checkpoint("llava-hf/llava-1.5-7b-hf", "photographs", 14127, "Llama 2"),),
)
