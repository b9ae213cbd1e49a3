"""LLaVA: one view of a picture, read before the tower's last layer, without its class token or with it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from written_checks import Written, WrittenChecks

import mmx
from mmx.errors import UsageError
from mmx.families.base import LEVELS

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
FULL = {"vision_feature_select_strategy": "full"}


class TestLlava(WrittenChecks):
    case = Written("tiny_llava", tower_layers=2, class_tokens=1)


class TestLlavaWithClassToken(WrittenChecks):
    """The class token is an image token of its own."""

    case = Written("tiny_llava", tower_layers=2, class_tokens=1,
                   changes={"config.json": FULL, "processor_config.json": FULL})


@pytest.mark.parametrize("level", LEVELS)
def test_samples_that_differ_in_their_number_of_image_tokens_are_told(tiny_llava: Path, level: str) -> None:
    model = mmx.load(tiny_llava)
    inputs = model.encode([NOISE, NOISE], "what is this")
    image = inputs["input_ids"][1] == model.network.config.image_token_id
    inputs["input_ids"][1, int(image.nonzero()[0])] = int(inputs["input_ids"][1, -1])
    with pytest.raises(UsageError, match=r"^The samples have different numbers of image tokens: \[16, 15\]"):
        model.attribute(inputs, level=level)
