"""How image processors of `transformers` cut pictures up: read of their settings, the config, and what they made.

Each of these takes a picture's width and height, its image processor, the model's config, and what the processor made
of that picture alone. A processor that crops is not among them: its part of a picture is measured (`_tilings.whole`).
"""

from collections.abc import Mapping
from typing import Any

from mmx.families._tilings import Size, Tiling, View, anyres, in_blocks, panned, tiled

Made = Mapping[str, Any]
"""name → tensor or number, as the processor returns it."""


def stretched_to_blocks(size: Size, processor: Any, config: Any, made: Made) -> Tiling:
    """Qwen2-VL and those after it: the grid is in `image_grid_thw`."""
    _, rows, columns = made["image_grid_thw"][0].tolist()
    return in_blocks(size, rows, columns, config.vision_config.spatial_merge_size)


def rows_and_columns(size: Size, processor: Any, config: Any, made: Made) -> Tiling:
    """Idefics3 and SmolVLM: how many views there are, `made` says where it was asked for by `return_row_col_info`."""
    view = _view(config, made, merge=config.scale_factor)
    return tiled(size, _first(made["rows"]), _first(made["cols"]), view)


def best_aspect_ratio(size: Size, processor: Any, config: Any, made: Made) -> Tiling:
    """InternVL, by GotOcr2's processor: the views whose canvas is nearest to the picture's shape."""
    from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

    view = _view(config, made, merge=round(1 / config.downsample_ratio))
    if len(made["pixel_values"]) == 1:
        return tiled(size, 1, 1, view)
    columns, rows = get_optimal_tiled_canvas(size[::-1], (processor.size["height"], processor.size["width"]),
                                             processor.min_patches, processor.max_patches)
    return tiled(size, rows, columns, view)


def pan_and_scan(size: Size, processor: Any, config: Any, made: Made) -> Tiling:
    """Gemma 3: `num_crops` beside the whole picture; the patches are pooled to a fixed number of tokens."""
    per_row = made["pixel_values"].shape[-1] // config.vision_config.patch_size
    view = _view(config, made, merge=per_row // int(config.mm_tokens_per_image**0.5))
    return panned(size, _first(made["num_crops"]), view)


def best_resolution(size: Size, processor: Any, config: Any, made: Made) -> Tiling:
    """LLaVA-NeXT and LLaVA-OneVision: the one of `image_grid_pinpoints` that shows most of a picture."""
    from transformers.image_processing_utils import select_best_resolution

    resolution = select_best_resolution(size[::-1], processor.image_grid_pinpoints)
    most = getattr(config, "vision_aspect_ratio", None)
    return anyres(size, resolution, _view(config, made), int(most.removeprefix("anyres_max_")) if most else None)


def _view(config: Any, made: Made, merge: int = 1) -> View:
    patch = config.vision_config.patch_size
    return View(made["pixel_values"].shape[-1], patch if isinstance(patch, int) else patch[0], merge)


def _first(numbers: Any) -> int:
    """Of numbers in lists or a tensor, however deep."""
    while not isinstance(numbers, int):
        numbers = numbers.item() if getattr(numbers, "ndim", None) == 0 else numbers[0]
    return numbers
