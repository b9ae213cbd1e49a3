"""Where a centre crop starts when it cannot be in the middle: on the pixel where the processor itself starts."""

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessor

from mmx.elements.crop import shown_part

SIDE = 32


@pytest.mark.parametrize("across", [True, False], ids=["across", "down"])
@pytest.mark.parametrize("excess", range(-4, 8))
def test_the_part_that_is_left_starts_where_the_processor_starts(excess: int, across: bool) -> None:
    """Each column, or row, of the picture has its number for a colour, from 1 on; what the processor adds is 0."""
    processor = CLIPImageProcessor(do_resize=False, crop_size={"height": SIDE, "width": SIDE}, do_rescale=False,
                                   do_normalize=False)
    numbers = np.tile(np.arange(1, SIDE + excess + 1, dtype=np.uint8), (SIDE, 1))
    picture = Image.fromarray(numbers if across else numbers.T.copy()).convert("RGB")
    seen = np.asarray(processor(picture, return_tensors="np")["pixel_values"])[0, 0]
    line = (seen if across else seen.T)[0].tolist()
    start = line[0] - 1 if line[0] else -line.index(1)
    part = (start, 0, start + SIDE, SIDE) if across else (0, start, SIDE, start + SIDE)
    assert shown_part(processor, picture.size) == part
