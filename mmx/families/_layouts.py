"""How the processors of `transformers` cut pictures up: read of their settings, the config, and what they made.

A processor that crops is not among them, for its part of a picture is measured: `_tilings.whole(shown.part(), ...)`.
"""

from typing import Any

from mmx.families._inputs import Shown
from mmx.families._tilings import Tiling, View, anyres, in_blocks, panned, tiled


def merged_blocks(shown: Shown) -> Tiling:
    """Qwen2-VL and those after it: the grid is in `image_grid_thw`."""
    _, rows, columns = shown.tensors["image_grid_thw"][0].tolist()
    return in_blocks(shown.size, rows, columns, shown.config.vision_config.spatial_merge_size)


def rows_and_columns(shown: Shown) -> Tiling:
    """Idefics3 and SmolVLM: a processor that is asked for `return_row_col_info` says how many views there are."""
    view = _view(shown, merge=shown.config.scale_factor)
    return tiled(shown.size, _first(shown.tensors["rows"]), _first(shown.tensors["cols"]), view)


def best_aspect_ratio(shown: Shown) -> Tiling:
    """InternVL, by GotOcr2's processor: the views whose canvas is nearest to the picture's shape."""
    from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

    view, processor = _view(shown, merge=round(1 / shown.config.downsample_ratio)), shown.processor
    if len(shown.tensors["pixel_values"]) == 1:
        return tiled(shown.size, 1, 1, view)
    columns, rows = get_optimal_tiled_canvas(shown.size[::-1], (processor.size["height"], processor.size["width"]),
                                             processor.min_patches, processor.max_patches)
    return tiled(shown.size, rows, columns, view)


def pan_and_scan(shown: Shown) -> Tiling:
    """Gemma 3: `num_crops` beside the whole picture; the patches are pooled to a fixed number of tokens."""
    side = shown.tensors["pixel_values"].shape[-1] // shown.config.vision_config.patch_size
    view = _view(shown, merge=side // int(shown.config.mm_tokens_per_image**0.5))
    return panned(shown.size, _first(shown.tensors["num_crops"]), view)


def best_resolution(shown: Shown) -> Tiling:
    """LLaVA-NeXT and LLaVA-OneVision: the one of `image_grid_pinpoints` that shows most of a picture."""
    from transformers.image_processing_utils import select_best_resolution

    resolution = select_best_resolution(shown.size[::-1], shown.processor.image_grid_pinpoints)
    most = getattr(shown.config, "vision_aspect_ratio", None)
    return anyres(shown.size, resolution, _view(shown), int(most.removeprefix("anyres_max_")) if most else None)


def _view(shown: Shown, merge: int = 1) -> View:
    patch = shown.config.vision_config.patch_size
    return View(shown.tensors["pixel_values"].shape[-1], patch if isinstance(patch, int) else patch[0], merge)


def _first(numbers: Any) -> int:
    """Of numbers in lists or a tensor, however deep."""
    while not isinstance(numbers, int):
        numbers = numbers.item() if getattr(numbers, "ndim", None) == 0 else numbers[0]
    return numbers
