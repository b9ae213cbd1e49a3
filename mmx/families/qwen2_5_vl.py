"""Qwen2.5-VL (Bai et al. 2025, arXiv 2502.13923): any size of picture, in most layers of whose tower patches attend
within windows; 2 x 2 of them are merged to one image token.
"""

from functools import partial
from typing import Any

from mmx.families._grids import in_windows
from mmx.families._qwen import family, grids
from mmx.families.base import Checkpoint, Tensors
from mmx.schedule import Site, Step


def _windows(everywhere: bool, network: Any, inputs: Tensors) -> Any:
    """Patches are numbered as the processor has them, in merged blocks; the tower has them window after window, in
    layers in which all patches of a picture attend to each other too.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    vision, found, start = network.config.vision_config, [], 0
    merge = vision.spatial_merge_size
    for rows, columns in grids(inputs):
        windows = [window[window >= 0] for window in in_windows(
            (rows // merge, columns // merge), vision.window_size // vision.patch_size // merge)]
        for blocks in [torch.cat(windows)] if everywhere else windows:
            found.append((blocks[:, None] * merge**2 + torch.arange(merge**2)).flatten() + start)
        start += rows * columns
    return pad_sequence(found, batch_first=True, padding_value=-1)


def _tower(config: Any) -> tuple[Step, ...]:
    vision = config.vision_config
    return tuple((Site(f"model.visual.blocks.{layer}.attn", "image", "image",
                       windows=partial(_windows, layer in vision.fullatt_block_indexes)),)
                 for layer in range(vision.depth))


FAMILY = family(
    "Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl",
    Checkpoint("Qwen/Qwen2.5-VL-3B-Instruct", "photographs", 7509, "Qwen Research"),
    Checkpoint("Qwen/Qwen2.5-VL-7B-Instruct", "photographs", 16584, "Apache-2.0"),
    tower=_tower)
