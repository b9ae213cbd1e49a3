"""Words of an answer one after another, through layers that run again in the backward of each."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

import mmx
from mmx.images import open_picture
from mmx.methods import get_method
from mmx.model.batching import Job, groups_of
from mmx.results import Asked


def test_layers_run_again_in_each_of_several_backwards(tiny_llava: Path) -> None:
    model, noise = mmx.load(tiny_llava), np.random.default_rng(0).random((60, 80, 3))
    picture = open_picture(Image.fromarray((noise * 255).astype("uint8")))
    asked = Asked("what color is the circle?", answer="a yellow circle")
    [(_, group)] = groups_of(model.parts, [Job(picture, asked)])
    methods = [get_method("relevance")]
    together, one_by_one = (group.attributed(methods, most, checkpoint=most == 1).scores["relevance"]
                            for most in (None, 1))
    assert {part: len(rows) for part, rows in together.items()} == {"image": 3, "text": 3}
    for part, rows in together.items():
        torch.testing.assert_close(one_by_one[part], rows)
