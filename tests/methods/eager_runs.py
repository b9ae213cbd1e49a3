"""What stock classes make of small inputs by their own eager attention: maps, states and their gradients, by autograd.

Numbers are float64 from end to end: where a class takes its softmax in float32, that is undone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformers import CLIPConfig, CLIPModel, ViTConfig, ViTForImageClassification

from mmx.bench.subjects import described
from mmx.engine import Described, attribute
from mmx.methods import get_method

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
LAYERS, HEADS = 3, 2
_CLASSES: dict[str, Any] = {"num_labels": 5, "initializer_range": 0.5}


@dataclass(frozen=True)
class Eager:
    """Of one stream and one sample: of each layer the map (heads, rows, cols), and the states that enter it.

    The last of the states leaves the last layer. Gradients are those of the score that was asked for.
    """

    maps: list[Tensor]
    map_gradients: list[Tensor]
    states: list[Tensor]
    state_gradients: list[Tensor]


class Exactly(TorchFunctionMode):
    """Inside, no softmax is less exact than what it is given."""

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = dict(kwargs or {})
        if func is torch.nn.functional.softmax:
            given.pop("dtype", None)
        return func(*args, **given)


@cache
def vit() -> Described:
    torch.manual_seed(0)
    return described(ViTForImageClassification(ViTConfig(**SMALL, **_CLASSES, image_size=24, patch_size=8)).double())


@cache
def clip() -> Described:
    torch.manual_seed(1)
    wide = {**SMALL, "initializer_range": 0.5, "initializer_factor": 4.0}
    config = CLIPConfig(text_config={**wide, "vocab_size": 30, "eos_token_id": 29, "max_position_embeddings": 8},
                        vision_config={**wide, "image_size": 16, "patch_size": 4}, projection_dim=8,
                        initializer_factor=4.0, logit_scale_init_value=1.3)
    return described(CLIPModel(config).double())


def pictures(count: int, size: int = 24) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


TEXTS = torch.tensor([[1, 4, 5, 7, 2, 29], [1, 6, 9, 3, 29, 29]])
"""The second ends early: what stands behind its end token is padding."""


def found(model: Described, method: str, inputs: Mapping[str, Tensor], target: object,
          **more: Any) -> dict[str, Tensor]:
    """Scores of a method, by stream."""
    return attribute(model, dict(inputs), [get_method(method)], target, **more).scores[method]


def eager(outputs: Any, score: Tensor) -> Eager:
    """Of what a class gave with its maps and states."""
    maps, states = list(outputs.attentions), list(outputs.hidden_states)
    gradients = torch.autograd.grad(score, [*maps, *states], retain_graph=True, allow_unused=True,
                                    materialize_grads=True)
    return Eager(*([one[0].detach() for one in several]
                   for several in (maps, gradients[:len(maps)], states, gradients[len(maps):])))


def of_vit(inputs: Mapping[str, Tensor], target: int) -> Eager:
    """Of one picture."""
    network = _eagerly(vit().network)
    with Exactly():
        outputs = network(**inputs, output_attentions=True, output_hidden_states=True)
    return eager(outputs, outputs.logits[0, target])


def of_clip(inputs: Mapping[str, Tensor]) -> dict[str, Eager]:
    """Of the similarity of one picture and one text, by tower."""
    network = _eagerly(clip().network)
    more = {"output_attentions": True, "output_hidden_states": True}
    with Exactly():
        image = network.vision_model(inputs["pixel_values"], **more)
        text = network.text_model(inputs["input_ids"], **more)
    seen, read = (torch.nn.functional.normalize(projection(one.pooler_output), dim=-1)[0] for projection, one in (
        (network.visual_projection, image), (network.text_projection, text)))
    return {"image": eager(image, seen @ read), "text": eager(text, seen @ read)}


def _eagerly(network: Any) -> Any:
    """With parameters in the graph, so that states have a gradient from the first on."""
    network.set_attn_implementation("eager")
    return network.requires_grad_(True)
