"""SigLIP 2 at any size as a classifier: the mean of the patches that are no padding, of each picture its own."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import (
    assert_every_method_is_there,
    assert_left_alone,
    assert_same_items,
    close,
    picture,
)
from torch import Tensor
from transformers import Siglip2ForImageClassification

import mmx
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import Site

EXACT = 1e-9
# Width and height, and the grid of at most 16 patches that is the picture's.
GRIDS = {(70, 50): (3, 5), (40, 90): (5, 3), (64, 64): (4, 4), (200, 20): (1, 10)}


@pytest.fixture(scope="module")
def model(tiny_siglip2_classifier: Path) -> Model:
    return mmx.load(tiny_siglip2_classifier, dtype="float64")


@pytest.fixture(scope="module")
def eager(tiny_siglip2_classifier: Path) -> Siglip2ForImageClassification:
    return Siglip2ForImageClassification.from_pretrained(
        tiny_siglip2_classifier, dtype=torch.float64, attn_implementation="eager").eval()


def stock(network: Siglip2ForImageClassification, inputs: dict[str, Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Logits and maps of the class itself; the softmax that it takes in float32 is left in float64."""
    softmax = torch.nn.functional.softmax
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "softmax", lambda scores, dim, dtype=None: softmax(scores, dim))
        found = network(**inputs, output_attentions=True)
    return found.logits[0], found.attentions


def read(matrix: Tensor, patches: int) -> Tensor:
    """The mean of the rows of real patches, in which padding has nothing."""
    row = sum(matrix[:patches]) / patches
    assert not row[patches:].any()
    return row[:patches]


@pytest.mark.parametrize("size", GRIDS)
def test_scores_are_the_dense_calculation(model: Model, eager: Siglip2ForImageClassification,
                                          size: tuple[int, int]) -> None:
    inputs = dict(model.encode(picture(size)))
    patches = GRIDS[size][0] * GRIDS[size][1]
    assert inputs["pixel_values"].shape == (1, 16, 192)
    logits, maps = stock(eager, inputs)
    close(model.described.run(inputs)["logits"][0], logits.detach(), EXACT)
    fused = dense_fused({Site(str(i), "image", "image"): map_ for i, map_ in enumerate(maps)}, logits[1])
    relevance = dense_walk(tuple((site,) for site in fused), fused, {"image": 16})["image", "image"] - torch.eye(16)
    for method, matrix in (("relevance", relevance), ("raw-attention", dense_mean(maps[-1])),
                           ("rollout", dense_rollout(maps))):
        found = model.attribute(inputs, method, target=1)["image"][0]
        close(found[:patches], read(matrix, patches), EXACT)
        assert not found[patches:].any()


def test_each_picture_of_a_batch_has_a_mean_of_its_own(model: Model) -> None:
    pictures = [picture(size, seed=number) for number, size in enumerate(GRIDS)]
    for one, found, grid in zip(pictures, model.explain(pictures, target=["dog", 0]), GRIDS.values(), strict=True):
        [patches] = found.elements["image"]
        assert isinstance(patches, Patches) and (patches.rows, patches.columns) == grid
        assert found[0].scores["image"].shape == (grid[0] * grid[1],)
        assert_same_items(found, model.explain(one, target=["dog", 0]), EXACT)


def test_the_network_is_left_as_it_was(model: Model) -> None:
    assert_left_alone(model, model.encode(picture()), model.network.classifier)


def test_every_method_explains_it(model: Model) -> None:
    assert_every_method_is_there(model, lambda methods: model.explain_methods(picture(), methods=methods))
