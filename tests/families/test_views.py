"""Which part of a picture a model sees: by the arithmetic, and by what its processor does to a mark."""

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessor, DeiTImageProcessor, ViTImageProcessor

from mmx.elements.crop import shown_part
from mmx.errors import CheckpointError

CLIP = CLIPImageProcessor()
VIT = ViTImageProcessor()
DEIT = DeiTImageProcessor(size={"height": 256, "width": 256}, crop_size={"height": 224, "width": 224})


@pytest.mark.parametrize(("processor", "size", "part"), [
    (VIT, (640, 480), (0, 0, 640, 480)),
    (CLIP, (640, 480), (80, 0, 560, 480)),
    (CLIP, (480, 640), (0, 80, 480, 560)),
    (CLIP, (224, 224), (0, 0, 224, 224)),
    (DEIT, (512, 1024), (32, 64, 480, 960)),
    (CLIPImageProcessor(do_resize=False), (300, 200), (38, -12, 262, 212)),
    (CLIPImageProcessor(do_center_crop=False, do_resize=False), (30, 20), (0, 0, 30, 20)),
])
def test_the_part_of_a_picture_that_is_left(processor: object, size: tuple[int, int], part: tuple) -> None:
    assert shown_part(processor, size) == pytest.approx(part, abs=1)


@pytest.mark.parametrize("processor", [CLIP, VIT, DEIT], ids=["clip", "vit", "deit"])
@pytest.mark.parametrize("size", [(640, 427), (331, 500), (107, 105), (1200, 300)])
def test_a_mark_is_found_where_the_part_says(processor: object, size: tuple[int, int]) -> None:
    left, top, right, bottom = shown_part(processor, size)
    across, down = (left + right) / 2, (top + 3 * bottom) / 4
    side = max(4, min(size) // 20)
    image = Image.new("RGB", size)
    box = tuple(round(middle + step) for step in (-side, side) for middle in (across, down))
    image.paste("white", box)
    pixels = processor(image, return_tensors="np")["pixel_values"][0, 0]  # type: ignore[operator]
    weight = pixels - pixels.min()
    rows, columns = (np.average(grid, weights=weight) + 0.5 for grid in np.indices(pixels.shape))
    seen_across = left + columns / pixels.shape[1] * (right - left)
    seen_down = top + rows / pixels.shape[0] * (bottom - top)
    pixel = max((right - left) / pixels.shape[1], (bottom - top) / pixels.shape[0])
    assert seen_across == pytest.approx((box[0] + box[2]) / 2, abs=1.5 * pixel)
    assert seen_down == pytest.approx((box[1] + box[3]) / 2, abs=1.5 * pixel)


def test_another_way_of_resizing_is_refused() -> None:
    processor = ViTImageProcessor()
    processor.size = {"max_height": 3, "max_width": 3}
    with pytest.raises(CheckpointError, match="which mmx does not know"):
        shown_part(processor, (10, 10))
