"""Samples of different lengths in one batch get what they get alone, and padding gets nothing."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from lxmert_samples import QUESTIONS, REGION_COUNTS, Batches, made_regions
from PIL import Image
from torch import Tensor

from mmx.engine import attribute
from mmx.explainer import Job, Model
from mmx.families.lxmert import FAMILY
from mmx.images import open_picture
from mmx.methods import Method, all_methods, get_method, method_names
from mmx.regions.base import RegionSet


def scored(model: Model, inputs: dict[str, Tensor], methods: Sequence[Method], seeds: list[int]) -> dict[str, Tensor]:
    [found] = attribute(model.network, FAMILY, inputs, methods, ignore_padding=True, seeds=seeds)[0].values()
    return found


@pytest.mark.parametrize("method", method_names())
def test_a_padded_batch_equals_its_samples_alone_and_padding_gets_zero(
        model: Model, batches: Batches, method: str) -> None:
    methods = [get_method(method)]
    together = scored(model, batches.together([0, 1, 2]), methods, [7, 8, 9])
    lengths = {"text": [], "image": list(REGION_COUNTS)}
    for index in range(3):
        alone = scored(model, batches.alone(index), methods, [7 + index])
        lengths["text"].append(alone["text"].shape[1])
        for stream, counts in lengths.items():
            count = counts[index]
            torch.testing.assert_close(together[stream][index, :count], alone[stream][0], atol=1e-10, rtol=0)
            assert not together[stream][index, count:].any()
    assert len(set(lengths["text"])) == len(set(lengths["image"])) == 3


@pytest.mark.parametrize("method", method_names())
def test_without_padding_ignoring_it_changes_nothing(model: Model, batches: Batches, method: str) -> None:
    for inputs in (batches.alone(1), {name: value for name, value in batches.alone(1).items() if "mask" not in name}):
        one, other = (attribute(model.network, FAMILY, inputs, [get_method(method)], ignore_padding=ignore)[0][method]
                      for ignore in (True, False))
        assert torch.equal(one["text"], other["text"])
        assert torch.equal(one["image"], other["image"])


class CountedRegions:
    """As many regions as the picture's width says, and a note of every picture that was looked at."""

    name = "made by hand"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def regions(self, images: Sequence[Image.Image]) -> list[RegionSet]:
        self.seen += [image.width for image in images]
        return [made_regions(image.width, seed=image.width) for image in images]


@pytest.fixture
def provider(model: Model):
    provider = CountedRegions()
    model._parts.region_provider = provider
    yield provider
    del model._parts.region_provider


def job(question: str, regions: int, target: str | int | None = None) -> Job:
    return Job(open_picture(Image.new("RGB", (regions, 4), (9, 9, 9))), question, target)


def test_explaining_a_batch_equals_explaining_its_jobs_one_by_one(model: Model, provider: CountedRegions) -> None:
    jobs = [job(QUESTIONS[0], 3), job(QUESTIONS[2], 5, "a long answer"), job("red?", 4, 0)]
    for one, batched in zip(jobs, model.explain_batch(jobs, all_methods()), strict=True):
        [alone] = model.explain_batch([one], all_methods())
        assert [found.method for found in batched] == method_names()
        for found, want in zip(batched, alone, strict=True):
            assert found.target.index == want.target.index
            assert found.regions == want.regions
            for stream, size in (("text", len(found.tokens)), ("image", one.picture.image.width)):
                assert found.scores[stream].shape == (size,)
                np.testing.assert_allclose(found.scores[stream], want.scores[stream], atol=1e-10, rtol=0)


def test_targets_of_a_batch_are_each_jobs_own(model: Model, provider: CountedRegions) -> None:
    jobs = [job("red?", 3), job("red?", 3, "BLUE"), job("red?", 3, 2)]
    found = [explanations[0] for explanations in model.explain_batch(jobs, [get_method("relevance")])]
    assert [one.target.index for one in found] == [found[0].predictions[0].index, 1, 2]
    different = {tuple(one.scores["image"].round(12)) for one in found}
    assert len(different) == len({one.target.index for one in found})


def test_a_picture_with_several_questions_is_looked_at_once(model: Model, provider: CountedRegions) -> None:
    model.explain_batch([job("red?", 3), job("what color?", 5), job("is the circle red?", 3)], all_methods())
    assert provider.seen == [3, 5]
