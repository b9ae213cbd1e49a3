"""Qwen's vision-language models: pictures of any size, packed in a row of patches, four of them merged to a token."""

from typing import Any

import torch
from family_checks import Inputs
from torch import Tensor
from transformers import PreTrainedModel
from transformers.vision_utils import get_vision_window_index
from written_checks import Written, WrittenChecks

_PARTS: dict[str, Any] = {"tower": "model.visual.blocks.{}", "attention": "attn"}


class TestQwen2Vl(WrittenChecks):
    case = Written("tiny_qwen2_vl", tower_layers=2, **_PARTS)


def window_after_window(network: PreTrainedModel, inputs: Inputs) -> Tensor:
    """The number of each of the tower's patches, by the class's own way of putting them in order."""
    tower, patches = network.model.visual, len(inputs["pixel_values"])
    index, _ = get_vision_window_index(inputs["image_grid_thw"], tower.spatial_merge_size, tower.window_size,
                                       tower.patch_size)
    return tower.permute_input_for_window_attn(torch.arange(patches)[:, None], index, seq_len=patches).flatten()


class TestQwen2_5Vl(WrittenChecks):
    case = Written("tiny_qwen2_5_vl", tower_layers=3, order=window_after_window, shorter="what shape?", **_PARTS)


class TestQwen3Vl(WrittenChecks):
    """What is added to the language model's states on the way is no map's: R is that of its layers."""

    case = Written("tiny_qwen3_vl", tower_layers=3, **_PARTS)
