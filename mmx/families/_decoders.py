"""What families have in common whose answers a language model writes behind a prompt with image tokens in it."""

from collections.abc import Callable
from typing import Any

from mmx.families.base import (
    Completion,
    Part,
    Prompt,
    PromptPixels,
    Read,
    Shown,
    Tensors,
    Tiling,
    Tokens,
)

ANSWERS = Tokens(prompted=True, kept_by="logits_to_keep")
READS = (Read("text", row=None),)
TOKENS = {"text": (Part("image", token="image_token_id"), Part("text"))}


def asked(tiling: Callable[[Shown], Tiling], form: str = "{question}", caption: str = "Describe the picture.",
          **constants: int) -> tuple[PromptPixels, Prompt, Completion]:
    """The inputs of such a family. `constants`: what further inputs have at the answer's tokens, where not 0."""
    return (PromptPixels(config="vision_config", tiling=tiling),
            Prompt(config="text_config", form=form, caption=caption),
            Completion(config="text_config", constants=constants))


def outputs(found: Any, network: Any, inputs: Tensors) -> Tensors:
    """Logits of some tokens, and the ids of all."""
    return {"logits": found.logits, "ids": inputs["input_ids"]}


def image_places(network: Any, inputs: Tensors) -> Any:
    """Where each sample's image tokens stand in its prompt, (batch, image tokens), in the CPU's memory."""
    import torch

    here = inputs["input_ids"].cpu() == network.config.image_token_id
    return torch.stack([one.nonzero().squeeze(1) for one in here])


def in_tiles(tiles: int, patches: int, before: int = 0) -> Any:
    """The tokens of each tile, (tiles, before + patches): first all patches have numbers, then what is before them."""
    import torch

    those = torch.arange(tiles * patches).view(tiles, patches)
    return torch.cat([torch.arange(tiles * before).view(tiles, before) + tiles * patches, those], dim=1)


def of_tokens(token_of: Callable[[Any, Tensors], Any]) -> Callable[[Any, Tensors], Any]:
    """`Tower.into`, out of which image token each patch becomes a part of, (tokens,), -1 for none."""
    def into(network: Any, inputs: Tensors) -> Any:
        import torch

        token = token_of(network, inputs)
        return torch.where(token < 0, -1, image_places(network, inputs)[:, token.clamp(min=0)])

    return into
