"""What families have in common whose answers a language model writes behind a prompt with image tokens in it."""

from collections.abc import Callable
from typing import Any

from mmx.families.base import (
    Checkpoint,
    Completion,
    Family,
    Input,
    Part,
    Prompt,
    PromptPixels,
    Read,
    Shown,
    Tensors,
    Tiling,
    Tokens,
    Tower,
    layers,
    places,
)

ANSWERS = Tokens(prompted=True, kept_by="logits_to_keep")
READS = (Read("text", row=None),)
TOKENS = {"text": (Part("image", token="image_token_id"), Part("text"))}


def decoder(architecture: str, model_type: str, inputs: tuple[Input, ...], tower: Tower, *checkpoints: Checkpoint,
            module: str = "model.language_model") -> Family:
    """A family whose prompt and answer are one stream of a language model, in which image tokens stand.

    Args:
        module: the language model.
    """
    return Family(
        architectures=(architecture,),
        model_type=model_type,
        score=ANSWERS,
        inputs=inputs,
        schedule=lambda config: tuple(
            layers(module + ".layers.{}.self_attn", "text", config.text_config.num_hidden_layers)),
        roots={"text": f"{module}:inputs_embeds"},
        tokens=TOKENS,
        reads=READS,
        outputs=outputs,
        tower=tower,
        checkpoints=checkpoints,
    )


def asked(tiling: Callable[[Shown], Tiling], form: str = "{question}", caption: str = "Describe the picture.",
          ends: str = "", captioned: str = "", **constants: int) -> tuple[PromptPixels, Prompt, Completion]:
    """The inputs of such a family. `constants`: what further inputs have at the answer's tokens, where not 0."""
    return (PromptPixels(config="vision_config", tiling=tiling, form=form),
            Prompt(config="text_config", form=form, ends=ends, caption=caption, captioned=captioned),
            Completion(config="text_config", constants=constants))


def outputs(found: Any, network: Any, inputs: Tensors) -> Tensors:
    """Logits of some tokens, and the ids of all."""
    return {"logits": found.logits, "ids": inputs["input_ids"]}


def tower_of_tiles(tiles: Callable[[Any, Tensors], int], token_of: Callable[[Any, Tensors], Any],
                   module: str = "model.vision_tower", attention: str = "encoder.layers.{}.self_attn",
                   read: Callable[[Any], int] = lambda config: config.vision_config.num_hidden_layers) -> Tower:
    """A tower that sees each square tile by itself, perhaps with a class token before its patches.

    Args:
        tiles: of a sample, by the config and the inputs.
        token_of: which image token of a sample each of its patches becomes a part of, tile by tile, -1 for none;
            behind them may be the class tokens, each -1 where they lack.
        attention: in `module`, with the layer's number for {}.
        read: how many layers lie before what is read.
    """
    embeddings = f"{module}.embeddings"

    def patches(config: Any, inputs: Tensors) -> int:
        rows, columns = patch_grid(config, inputs)
        return tiles(config, inputs) * rows * columns

    def before(network: Any) -> int:
        found = network.get_submodule(embeddings)
        return int(any(hasattr(found, name) for name in ("class_embedding", "cls_token")))

    def windows(network: Any, inputs: Tensors) -> Any:
        count = tiles(network.config, inputs)
        return in_tiles(count, patches(network.config, inputs) // count, before(network))

    def into(network: Any, inputs: Tensors) -> Any:
        from torch.nn.functional import pad

        found = token_of(network.config, inputs)
        size = patches(network.config, inputs) + tiles(network.config, inputs) * before(network)
        return pad(found, (0, size - len(found)), value=-1)

    return Tower(
        schedule=lambda config: tuple(layers(f"{module}.{attention}", "image", read(config), windows=windows)),
        root=embeddings, into=of_tokens(into), tokens=(Part("image", size=patches), Part("cls")))


def layers_read(config: Any) -> int:
    """The layers of a tower before the last one whose output `vision_feature_layer` says is read."""
    count, read = config.vision_config.num_hidden_layers, config.vision_feature_layer
    return max(one % (count + 1) for one in (read if isinstance(read, list | tuple) else [read]))


def patch_grid(config: Any, inputs: Tensors) -> tuple[int, int]:
    """Rows and columns of patches of one tile."""
    patch = config.vision_config.patch_size
    patch = patch if isinstance(patch, int) else patch[0]
    height, width = inputs["pixel_values"].shape[-2:]
    return height // patch, width // patch


def tiles_in_row(config: Any, inputs: Tensors) -> int:
    """Tiles of a sample, where all of a batch stand one after another."""
    return len(inputs["pixel_values"]) // len(inputs["input_ids"])


def blocks_in_tiles(tiles: int, grid: tuple[int, int], by: int = 1) -> Any:
    """The token that each patch of each tile becomes a part of, where `by` x `by` of a tile are one, (patches,).

    What is left over at the right and below is in none, -1.
    """
    import torch

    rows, columns = (torch.arange(side) // by for side in grid)
    down, across = (side // by for side in grid)
    block = rows[:, None] * across + columns + torch.arange(tiles)[:, None, None] * (down * across)
    return torch.where((rows < down)[:, None] & (columns < across), block, -1).flatten()


def in_tiles(tiles: int, patches: int, before: int = 0) -> Any:
    """The tokens of each tile, (tiles, before + patches): first all patches have numbers, then what is before them."""
    import torch

    those = torch.arange(tiles * patches).view(tiles, patches)
    return torch.cat([torch.arange(tiles * before).view(tiles, before) + tiles * patches, those], dim=1)


def image_places(network: Any, inputs: Tensors) -> Any:
    """Where each sample's image tokens stand in its prompt, (batch, image tokens), in the CPU's memory."""
    return places(inputs["input_ids"].cpu() == network.config.image_token_id)


def of_tokens(token_of: Callable[[Any, Tensors], Any]) -> Callable[[Any, Tensors], Any]:
    """`Tower.into`, out of which image token each patch becomes a part of, (tokens,), -1 for none."""
    def into(network: Any, inputs: Tensors) -> Any:
        import torch

        token = token_of(network, inputs)
        return torch.where(token < 0, -1, image_places(network, inputs)[:, token.clamp(min=0)])

    return into
