"""Samples of different lengths in one batch get what they get alone, and padding gets nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from defined_methods import methods_on
from lxmert_samples import QUESTIONS, REGION_COUNTS, Batches, made_regions
from PIL import Image
from torch import Tensor

from mmx.elements.providers.base import RegionSet
from mmx.engine import attribute
from mmx.images import open_picture
from mmx.methods import Method, get_method
from mmx.model import Job, Model
from mmx.results import Asked, Explanation, Item

EVERY = methods_on("LxmertForQuestionAnswering")
NAMES = [method.name for method in EVERY]


def scored(model: Model, inputs: dict[str, Tensor], methods: Sequence[Method], seeds: list[int]) -> dict[str, Tensor]:
    [found] = attribute(model.described, inputs, methods, ignore_padding=True, seeds=seeds).scores.values()
    return found


@pytest.mark.parametrize("method", NAMES)
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


@pytest.mark.parametrize("method", NAMES)
def test_without_padding_ignoring_it_changes_nothing(model: Model, batches: Batches, method: str) -> None:
    for inputs in (batches.alone(1), {name: value for name, value in batches.alone(1).items() if "mask" not in name}):
        one, other = (attribute(model.described, inputs, [get_method(method)], ignore_padding=ignore).scores[method]
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
    vars(model.parts.pictures)["source_of_regions"] = provider
    yield provider
    del vars(model.parts.pictures)["source_of_regions"]


def job(question: str, regions: int, *targets: str | int) -> Job:
    return Job(open_picture(Image.new("RGB", (regions, 4), (9, 9, 9))), Asked(question, targets=targets))


def item_of(found: Explanation) -> Item:
    [item] = found.items
    return item


def test_explaining_a_batch_equals_explaining_its_jobs_one_by_one(model: Model, provider: CountedRegions) -> None:
    jobs = [job(QUESTIONS[0], 3), job(QUESTIONS[2], 5, "a long answer"), job("red?", 4, 0)]
    for one, batched in zip(jobs, model.explain_batch(jobs, EVERY), strict=True):
        [alone] = model.explain_batch([one], EVERY)
        assert [found.method for found in batched] == NAMES
        for found, want in zip(batched, alone, strict=True):
            assert item_of(found).prediction.index == item_of(want).prediction.index
            assert found.elements == want.elements
            [words], [regions] = found.elements["text"], found.elements["image"]
            assert len(regions) == one.picture.size[0]
            for stream, size in (("text", len(words)), ("image", len(regions))):
                assert item_of(found).scores[stream].shape == (size,)
                np.testing.assert_allclose(item_of(found).scores[stream], item_of(want).scores[stream], atol=1e-10,
                                           rtol=0)


def test_targets_of_a_batch_are_each_jobs_own(model: Model, provider: CountedRegions) -> None:
    jobs = [job("red?", 3), job("red?", 3, "BLUE"), job("red?", 3, 2)]
    found = [explanation for [explanation] in model.explain_batch(jobs, [get_method("relevance")])]
    items = [item_of(one) for one in found]
    assert [one.index for one in items] == [found[0].predictions[0].index, 1, 2]
    different = {tuple(one.scores["image"].round(12)) for one in items}
    assert len(different) == len({one.index for one in items})


def test_jobs_of_a_batch_may_have_several_targets_and_another_number_each(model: Model,
                                                                          provider: CountedRegions) -> None:
    jobs = [job("red?", 3, 2, 0, 1), job(QUESTIONS[0], 6), job("is the circle red", 4, 1, 2)]
    for one, [batched] in zip(jobs, model.explain_batch(jobs, [get_method("relevance")]), strict=True):
        singles = [replace(one, asked=replace(one.asked, targets=(target,))) for target in one.asked.targets] or [one]
        assert len(batched) == len(singles)
        for item, [[alone]] in zip(batched, [model.explain_batch([single], [get_method("relevance")])
                                             for single in singles], strict=True):
            assert item.prediction.index == alone[0].index
            for stream, scores in item.scores.items():
                np.testing.assert_allclose(scores, alone[0].scores[stream], atol=1e-10, rtol=0)


def test_a_picture_with_several_questions_is_looked_at_once(model: Model, provider: CountedRegions) -> None:
    model.explain_batch([job("red?", 3), job("what color?", 5), job("is the circle red?", 3)], EVERY)
    assert provider.seen == [3, 5]
