"""How the processors of `transformers` cut pictures up: read of their settings, the config, and what they made."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmx.families._inputs import Shown
from mmx.families._tilings import Tiling, View, anyres, in_blocks, panned, squared, tiled, whole


def cropped(shown: Shown, before: int = 0) -> Tiling:
    """LLaVA and PaliGemma: the picture, or what a processor leaves of it, in one view; `before` as of `View`."""
    return whole(shown.part(), _view(shown, before=before))


def merged_blocks(shown: Shown) -> Tiling:
    """Qwen2-VL and those after it: the grid is in `image_grid_thw`."""
    _, rows, columns = shown.tensors["image_grid_thw"][0].tolist()
    return in_blocks(shown.size, rows, columns, shown.config.vision_config.spatial_merge_size)


def rows_and_columns(shown: Shown) -> Tiling:
    """Idefics3 and SmolVLM: how many views there are, a processor that is asked for `return_row_col_info` says."""
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
    per_row = shown.tensors["pixel_values"].shape[-1] // shown.config.vision_config.patch_size
    view = _view(shown, merge=per_row // int(shown.config.mm_tokens_per_image**0.5))
    return panned(shown.size, _first(shown.tensors["num_crops"]), view)


def best_resolution(shown: Shown) -> Tiling:
    """LLaVA-NeXT and LLaVA-OneVision: the one of `image_grid_pinpoints` that shows most of a picture."""
    several = shown.count > 1 and "batch_num_images" in shown.tensors
    tensors = {**shown.tensors, "batch_num_images": [shown.count]} if several else shown.tensors
    return in_lines(shown.config, tensors)[0]


def in_lines(config: Any, tensors: Mapping[str, Any], samples: int = 1) -> list[Tiling]:
    """Each picture of the first of some samples, as `best_resolution` has it, by their `image_sizes`."""
    view = View(tensors["pixel_values"].shape[-1], config.vision_config.patch_size)
    if _are_whole(tensors):
        return [squared((width, height), view) for height, width in _sizes(tensors, samples)]
    most = getattr(config, "vision_aspect_ratio", None)
    return [anyres((width, height), _resolution((height, width), config), view,
                   int(most.removeprefix("anyres_max_")) if most else None)
            for height, width in _sizes(tensors, samples)]


def views_in_lines(config: Any, tensors: Mapping[str, Any], samples: int = 1) -> int:
    """How many views these have together."""
    if _are_whole(tensors):
        return len(_sizes(tensors, samples))
    side = tensors["pixel_values"].shape[-1]
    resolutions = [_resolution(size, config) for size in _sizes(tensors, samples)]
    return sum(1 + height // side * (width // side) for height, width in resolutions)


def _are_whole(tensors: Mapping[str, Any]) -> bool:
    """Whether pictures are in no tiles: those of LLaVA-OneVision, where several are in a prompt."""
    return "batch_num_images" in tensors and _first(tensors["batch_num_images"]) > 1


def _sizes(tensors: Mapping[str, Any], samples: int) -> list[list[int]]:
    """Height and width of each picture of the first of some samples."""
    sizes = tensors["image_sizes"]
    listed = sizes if isinstance(sizes, list) else sizes.tolist()
    return listed[:len(listed) // samples]


def _resolution(size: Sequence[int], config: Any) -> tuple[int, int]:
    """Height and width of the canvas."""
    from transformers.image_processing_utils import select_best_resolution

    return select_best_resolution(tuple(size), config.image_grid_pinpoints)


def _view(shown: Shown, merge: int = 1, before: int = 0) -> View:
    patch = shown.config.vision_config.patch_size
    return View(shown.tensors["pixel_values"].shape[-1], patch if isinstance(patch, int) else patch[0], merge, before)


def _first(numbers: Any) -> int:
    """Of numbers in lists or a tensor, however deep."""
    while not isinstance(numbers, int):
        numbers = numbers.item() if getattr(numbers, "ndim", None) == 0 else numbers[0]
    return numbers
