"""What the forward of a class takes, by its signature and config: what a family declares of it, and noise to try it."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from mmx.drafts.building import Built, configs
from mmx.errors import MmxError

WORDS, REGIONS = 7, 5
"""How many there are in a trial: numbers that tell them from patches."""
END = 4
"""Where the end token is in a trial, in the config's own sense; other tokens follow it as padding would."""
SIZES = ((64, 96), (256, 256))
"""Of pictures in pixels, for classes that take any: the first with which the class runs."""
_TEXT = ("input_ids", "attention_mask", "token_type_ids")
_RESIZED = "interpolate_pos_encoding"
_CELLS = 'cells="cells"'
TODO = "  # TODO: "


@dataclass(frozen=True)
class Tried:
    """Inputs of noise, a batch of one.

    Attributes:
        declared: each as Python in a family's table, with what is to be asked of it after a #.
        text: whether there are words, in the place of which the declaration of a text stands.
        grid: rows and columns of patches; None where the config has no patches.
    """

    tensors: Mapping[str, Tensor]
    declared: tuple[str, ...]
    text: str | None = None
    grid: tuple[int, int] | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)


def inputs_of(built: Built, size: tuple[int, int]) -> Tried:
    """Raises MmxError where the class looks at no picture.

    Args:
        size: height and width of the picture where the config says none.
    """
    taken = list(inspect.signature(type(built.network).forward).parameters)
    regions = next((name for name in taken if name.startswith("visual") and name.endswith(("feats", "embeds"))), None)
    if "pixel_values" not in taken and regions is None:
        raise MmxError(f"{type(built.network).__name__} looks at no picture: its forward takes "
                       f"{', '.join(taken[1:6])}.", "mmx explains what models see.")
    tensors: dict[str, Tensor] = {}
    declared, sizes, text, grid = [], {}, None, None
    noise = torch.Generator().manual_seed(0)
    if "input_ids" in taken:
        text = _text(taken, built.config, tensors, noise)
        sizes["text"] = WORDS
    if regions is not None:
        declared.append(_regions(regions, taken, built.config, tensors, noise))
        sizes["image"] = REGIONS
    else:
        told, grid = _pixels(taken, built, tensors, noise, size)
        declared.append(told)
    return Tried(tensors, tuple(declared), text, grid, sizes)


def _text(taken: list[str], config: PreTrainedConfig, tensors: dict[str, Tensor], noise: torch.Generator) -> str:
    """The arguments of `Text`, without what is asked."""
    path, own = next((path, one) for path, one in configs(config) if hasattr(one, "vocab_size"))
    names = tuple(name for name in _TEXT if name in taken)
    ids = torch.randint(5, min(100, own.vocab_size), (1, WORDS), generator=noise)
    end = getattr(own, "eos_token_id", None)
    if isinstance(end, int) and 0 <= end < own.vocab_size:
        ids[0, END] = end
    tensors["input_ids"] = ids
    tensors |= {name: torch.full_like(ids, name == "attention_mask") for name in names[1:]}
    told = [] if names == _TEXT else [f"names={in_python(names)}"]
    return ", ".join([*told, *_at(path)])


def _regions(features: str, taken: list[str], config: PreTrainedConfig, tensors: dict[str, Tensor],
             noise: torch.Generator) -> str:
    size = next((name for name in config.to_dict() if name.startswith("visual") and name.endswith("dim")), None)
    width = getattr(config, size) if size else 2048
    tensors[features] = torch.randn(1, REGIONS, width, generator=noise)
    mask = next((name for name in taken if name.startswith("visual") and name.endswith("mask")), None)
    boxes = next((name for name in taken if name.startswith("visual") and name.endswith(("pos", "boxes"))), None)
    if mask:
        tensors[mask] = torch.ones(1, REGIONS, dtype=torch.long)
    if boxes:
        tensors[boxes] = torch.rand(1, REGIONS, 4, generator=noise)
    told = f"Regions({', '.join(map(in_python, (features, mask, size)))}" + (
        f", boxes={in_python(boxes)})" if boxes else ")")
    rest = [name for name in taken if name.startswith("visual") and name not in (features, mask, boxes)]
    return told + "," + (f"{TODO}what of {', '.join(rest)}? (constants=...)" if rest else "")


def _pixels(taken: list[str], built: Built, tensors: dict[str, Tensor], noise: torch.Generator,
            size: tuple[int, int]) -> tuple[str, tuple[int, int] | None]:
    found = [(path, one) for path, one in configs(built.config)
             if isinstance(getattr(one, "patch_size", None), int | list | tuple) and hasattr(one, "image_size")]
    path, own = found[0] if found else ("config", built.config)
    size = _two(getattr(own, "image_size", None) or size)
    tensors["pixel_values"] = torch.randn(1, getattr(own, "num_channels", 3) or 3, *size, generator=noise)
    told = [*_at(path), *["takes_mask=True"] * ("pixel_mask" in taken)]
    if not found:
        return f"Pixels({', '.join([*told, 'any_size=True', _CELLS])}),", None
    patch = _two(own.patch_size)
    smaller = {**tensors, "pixel_values": tensors["pixel_values"][:, :, patch[0]:]}
    if _runs(built, smaller):
        told.append("any_size=True")
    elif _RESIZED in taken and _runs(built, smaller, **{_RESIZED: True}):
        told += ["any_size=True", f"resized_by={in_python(_RESIZED)}"]
    return f"Pixels({', '.join(told)}),", (size[0] // patch[0], size[1] // patch[1])


@torch.no_grad()
def _runs(built: Built, tensors: Mapping[str, Tensor], **arguments: bool) -> bool:
    try:
        built.network(**tensors, **arguments)
    except Exception:  # whatever a class may raise that is made for another size
        return False
    return True


def _two(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _at(path: str) -> list[str]:
    inside = path.partition(".")[2]
    return [f"config={in_python(inside)}"] if inside else []


def in_python(value: object) -> str:
    """A name or number, or a tuple or dict of them, as mmx writes them."""
    if isinstance(value, tuple):
        return f"({', '.join(map(in_python, value))}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{in_python(key)}: {in_python(one)}' for key, one in value.items())}}}"
    return f'"{value}"' if isinstance(value, str) else str(value)
