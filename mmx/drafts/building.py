"""A class of `transformers` by its name, as a small random network in which every number of layers is another one."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

from mmx.checkpoints.loading import quiet
from mmx.errors import MmxError, UsageError

MOST_PARAMETERS = 6e8
_LAYERS = (3, 5, 7, 11, 13, 17)
"""Numbers that hardly a config has by itself."""
_BY_HAND = "Write its table by hand: docs/add-a-family.md."
_COUNTS = re.compile(r"(^|_)(layers|depth)$")
_KIND = re.compile(r"(For[A-Z]\w+|Model)$")
_BACKBONE: Mapping[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1],
                                "layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"]}


@dataclass(frozen=True)
class Built:
    """A random network in eval mode, its parameters frozen.

    Attributes:
        counts: number of layers → where the config says it, such as "config.num_hidden_layers".
    """

    network: PreTrainedModel
    config: PreTrainedConfig
    counts: Mapping[int, str]


def class_named(name: str) -> type[PreTrainedModel]:
    """Raises UsageError where `transformers` has no such class, with the nearest ones, or where it is no model."""
    known = dir(transformers)
    if name not in known:
        close = get_close_matches(name, [one for one in known if _KIND.search(one)], n=3, cutoff=0.6)
        hint = f"Did you mean {', '.join(close)}?" if close else "Give one such as ViTForImageClassification."
        raise UsageError(f"transformers has no class named '{name}'.", hint)
    found = getattr(transformers, name)
    if not (isinstance(found, type) and issubclass(found, PreTrainedModel) and found.config_class):
        raise UsageError(f"{name} of transformers is no class of models.",
                         "Give the one that `architectures` in a config.json names.")
    return found


def build(model_class: type[PreTrainedModel]) -> Built:
    """A network of the sizes that its config has by default, but with few layers.

    Raises:
        MmxError: it cannot be built so, or is too large to be tried.
    """
    quiet()
    default = _made(model_class, lambda: _default(model_class))
    config = deepcopy(default)
    counts = _numbered(config)
    try:
        _outlined(model_class, config)
    except Exception:  # its layers cannot be that many
        config, counts = default, _as_they_are(default)
    number = _made(model_class, lambda: sum(one.numel() for one in _outlined(model_class, config).parameters()))
    if number > MOST_PARAMETERS:
        raise MmxError(f"{model_class.__name__} has {number / 1e9:.1f} G parameters by the defaults of its config: too "
                       "many to be tried here.", _BY_HAND)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _made(model_class, lambda: model_class._from_config(config, dtype=torch.float32))
    return Built(network.eval().requires_grad_(False), network.config, counts)


def configs(config: PreTrainedConfig, path: str = "config") -> Iterator[tuple[str, PreTrainedConfig]]:
    """A config and those inside it, by where they are."""
    yield path, config
    for name in config.sub_configs:
        inside = getattr(config, name, None)
        if isinstance(inside, PreTrainedConfig):
            yield from configs(inside, f"{path}.{name}")


def _default(model_class: type[PreTrainedModel]) -> PreTrainedConfig:
    """A backbone of timm's, which may not be installed, becomes a small one."""
    config_class: Any = model_class.config_class
    config = config_class()
    if getattr(getattr(config, "backbone_config", None), "model_type", None) == "timm_backbone":
        return config_class(backbone_config=transformers.ResNetConfig(**_BACKBONE))
    return config


def _outlined(model_class: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return model_class._from_config(deepcopy(config), dtype=torch.float32)


def _numbers(config: PreTrainedConfig) -> Iterator[tuple[str, PreTrainedConfig, str]]:
    """Every number of layers: where it is, the config that has it, and its name there."""
    for path, one in configs(config):
        for name in one.to_dict():
            if _COUNTS.search(name) and name not in one.attribute_map and type(getattr(one, name, None)) is int:
                yield f"{path}.{name}", one, name


def _numbered(config: PreTrainedConfig) -> dict[int, str]:
    counts = {}
    for number, (path, one, name) in zip(_LAYERS, list(_numbers(config)), strict=False):
        setattr(one, name, number)
        counts[number] = path
    return counts


def _as_they_are(config: PreTrainedConfig) -> dict[int, str]:
    """Those that no other has."""
    found = [(getattr(one, name), path) for path, one, name in _numbers(config)]
    numbers = [number for number, _ in found]
    return {number: path for number, path in found if numbers.count(number) == 1}


def _made(model_class: type[PreTrainedModel], make: Any) -> Any:
    try:
        return make()
    except Exception as error:  # whatever a class may raise that wants more than a default config
        first = " ".join(str(error).split())[:200]
        raise MmxError(f"{model_class.__name__} cannot be built from its config's defaults: "
                       f"{type(error).__name__}: {first}.", _BY_HAND) from error
