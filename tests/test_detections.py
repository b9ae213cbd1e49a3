"""Detections of a random DETR: each explained as if it were alone, whatever shares its forward or its backward."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from defined_methods import methods_on
from PIL import Image

import mmx
from mmx import wiring
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.images import open_picture
from mmx.methods import Method, get_method
from mmx.model import Job, Model
from mmx.model.batching import groups_of
from mmx.model.estimate import rehearse
from mmx.results import Asked, Explanation, Item, Patches, Picture

METHODS = [get_method(name) for name in ("relevance", "rollout", "random")]
EVERY = [method for method in methods_on("DetrForObjectDetection") if "further passes" not in method.needs]
torch.set_num_threads(1)


def noise(width: int, height: int, seed: int) -> Picture:
    random = np.random.default_rng(seed)
    return open_picture(Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)))


PICTURES = [noise(40, 30, 0), noise(30, 40, 1), noise(40, 30, 2)]


@pytest.fixture(scope="module")
def model(tiny_detr: Path) -> Model:
    return mmx.load(tiny_detr, dtype="float64")


def found(model: Model, pictures: Sequence[Picture] = PICTURES[:1], methods: Sequence[Method] = METHODS[:1], *,
          max_memory: int | None = None, **asked: object) -> list[list[Explanation]]:
    """Of each picture, by each method."""
    jobs = [Job(picture, Asked(**asked)) for picture in pictures]  # type: ignore[arg-type]
    return model.explain_batch(jobs, methods, max_memory=max_memory)


def only(model: Model, **asked: object) -> Explanation:
    """Of the first picture, by relevance."""
    [[explanation]] = found(model, **asked)
    return explanation


def by_query(explanation: Explanation) -> dict[int, Item]:
    """What is explained and what is not, by its query."""
    return {item.query: item for item in (*explanation.items, *explanation.others) if item.query is not None}


def assert_same_item(one: Item, other: Item) -> None:
    assert (one.query, one.index, one.label, one.unit) == (other.query, other.index, other.label, other.unit)
    assert one.score == pytest.approx(other.score)
    assert one.box_xyxy_px == pytest.approx(other.box_xyxy_px)
    assert [(each.index, each.label) for each in one.predictions] == [
        (each.index, each.label) for each in other.predictions]
    assert one.scores.keys() == other.scores.keys()
    for stream, scores in one.scores.items():
        np.testing.assert_allclose(scores, other.scores[stream], atol=1e-9, rtol=1e-7)


def assert_same(one: Sequence[Explanation], other: Sequence[Explanation]) -> None:
    for mine, yours in zip(one, other, strict=True):
        assert (mine.method, mine.elements) == (yours.method, yours.elements)
        for items, others in ((mine.items, yours.items), (mine.others, yours.others)):
            for item, other_item in zip(items, others, strict=True):
                assert_same_item(item, other_item)


def test_pictures_of_several_sizes_get_together_what_they_get_alone(model: Model) -> None:
    together = found(model, PICTURES, METHODS, threshold=0.4)
    assert sum(len(one[0]) for one in together) > 4
    for picture, several in zip(PICTURES, together, strict=True):
        [alone] = found(model, [picture], METHODS, threshold=0.4)
        assert_same(several, alone)
        [grid] = several[0].elements["image"]
        assert isinstance(grid, Patches)
        seen = model.parts.pictures.prepare([picture])[0].size
        assert (grid.rows, grid.columns) == tuple(-(-side // 8) for side in seen[-2:])
        assert grid.box_xyxy_px == (0, 0, *picture.size)
        assert all(item.scores["image"].shape == (len(grid),) for item in several[0])


@pytest.mark.parametrize("method", [method.name for method in EVERY])
def test_one_detection_for_each_backward_equals_all_at_once(model: Model, method: str) -> None:
    one, all_at_once = (found(model, methods=[get_method(method)], threshold=0.0, max_memory=memory)[0]
                        for memory in (least(model, [get_method(method)]), None))
    assert len(one[0]) == 8
    assert_same(one, all_at_once)


def least(model: Model, methods: Sequence[Method]) -> int:
    """Bytes in which a picture is explained by one detection after another."""
    [(_, group)] = groups_of(model.parts, [Job(PICTURES[0], Asked(threshold=0.0))])
    return rehearse(group, methods, 1).bytes


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    runs: list[int] = []
    monkeypatch.setattr("mmx.engine.run", lambda *given: runs.append(1) or wiring.run(*given))
    return runs


def test_all_detections_of_a_picture_share_one_forward(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = count_runs(monkeypatch)
    memory = least(model, EVERY)
    runs.clear()
    [several] = found(model, methods=EVERY, threshold=0.0, max_memory=memory)
    assert len(several[0]) == 8
    assert len(runs) == 2  # once without numbers, for what it takes


@pytest.mark.parametrize(("pixels", "forwards"), [(2**20, 1), (2 * 24 * 32, 2), (1, 4)])
def test_large_pictures_of_one_size_do_not_share_a_forward(model: Model, monkeypatch: pytest.MonkeyPatch, pixels: int,
                                                           forwards: int) -> None:
    pictures = [noise(40, 30, seed) for seed in range(4)]
    together = found(model, pictures, METHODS, threshold=0.02)
    monkeypatch.setattr("mmx.model.batching._CPU_PIXELS", pixels)
    runs = count_runs(monkeypatch)
    for one, other in zip(found(model, pictures, METHODS, threshold=0.02), together, strict=True):
        assert_same(one, other)
    assert len(runs) == forwards


def test_padding_receives_nothing(model: Model) -> None:
    """Of a batch that is padded all the same, with half of the second picture's grid left empty."""
    pixels, mask = torch.randn(2, 3, 32, 32, dtype=torch.float64), torch.ones(2, 32, 32, dtype=torch.float64)
    mask[1, :, 16:] = 0
    inputs = {"pixel_values": pixels * mask[:, None], "pixel_mask": mask}
    by_method = attribute(model.described, inputs, EVERY, [(0, None), (0, None)], ignore_padding=True).scores
    for name, scores in by_method.items():
        maps = scores["image"].reshape(2, 4, 4)
        assert not maps[1, :, 2:].any(), name
        if name in ("relevance", "rollout", "random", "raw-attention"):
            assert maps[1, :, :2].all(), name
            assert maps[0].all(), name


def test_one_class_alone_can_be_kept(model: Model) -> None:
    every = only(model, threshold=0.0)
    assert len({item.index for item in every}) > 1
    for label, name in enumerate(("cat", "dog", "red circle")):
        kept = only(model, threshold=0.0, class_name=name)
        wanted = [item for item in every if item.index == label]
        assert len(kept) == len(wanted)
        for item, other in zip(kept, wanted, strict=True):
            assert_same_item(item, other)


def test_what_was_kept_is_surer_than_the_threshold_and_comes_surest_first(model: Model) -> None:
    every = only(model, threshold=0.0)
    sureness = [item.score for item in every]
    assert sureness == sorted(sureness, reverse=True)
    threshold = float(np.median(sureness))
    kept = only(model, threshold=threshold)
    assert [item.query for item in kept] == [item.query for item in every if item.score > threshold]
    assert 0 < len(kept) < 8
    assert {item.query for item in kept}.isdisjoint({item.query for item in kept.others})
    assert all(not item.scores and item.score <= threshold for item in kept.others)


def test_nothing_need_be_kept(model: Model) -> None:
    for [one] in found(model, PICTURES, threshold=0.99999):
        assert len(one) == 0
        assert len(one.others) == 5
        assert one.elements["image"]


def test_queries_can_be_named_with_a_class_or_without(model: Model) -> None:
    every = by_query(only(model, threshold=0.0))
    chosen = only(model, queries=(5, 2, 5))
    assert [item.query for item in chosen] == [5, 2]
    for item in chosen:
        assert_same_item(item, every[item.query])
    another = (every[2].index + 1) % 3
    [asked] = only(model, queries=(2,), class_name=("cat", "dog", "red circle")[another])
    assert (asked.query, asked.index, asked.box_xyxy_px) == (2, another, every[2].box_xyxy_px)
    assert asked.score < every[2].score
    assert asked.predictions == every[2].predictions
    assert not np.allclose(asked.scores["image"], every[2].scores["image"])


def test_pictures_of_a_batch_may_be_asked_for_other_things(model: Model) -> None:
    asked = [Asked(queries=(3,)), Asked(threshold=0.0), Asked(threshold=0.0, class_name="dog")]
    pictures = [noise(40, 30, seed) for seed in range(3)]
    jobs = [Job(*one) for one in zip(pictures, asked, strict=True)]
    for job, several in zip(jobs, model.explain_batch(jobs, METHODS), strict=True):
        assert_same(several, model.explain_batch([job], METHODS)[0])


def test_attribute_takes_queries_as_targets(model: Model) -> None:
    pixels = torch.randn(1, 3, 24, 32, dtype=torch.float64)
    scores = model.attribute({"pixel_values": pixels}, target=[(3, None), (0, 1)])
    assert scores["image"].shape == (2, 12)
    one = model.attribute({"pixel_values": pixels}, target=(0, 1))
    torch.testing.assert_close(one["image"], scores["image"][1:])


def test_boxes_are_in_the_pixels_of_the_picture(model: Model) -> None:
    inputs = model.encode(PICTURES[0].image)
    with torch.no_grad():
        given = model.network(**inputs)
    x, y, width, height = given.pred_boxes[0].T
    want = torch.stack([40 * (x - width / 2), 30 * (y - height / 2), 40 * (x + width / 2), 30 * (y + height / 2)], 1)
    explained = only(model, threshold=0.0)
    assert len(explained) == 8
    for item in explained:
        assert item.box_xyxy_px == pytest.approx(want[item.query].tolist(), abs=1e-4)


@pytest.mark.parametrize(("asked", "message"), [
    ({"query": 8}, r"There is no query 8; .*tiny-detr has 8 \(0 to 7\)"), ({"query": -1}, "There is no query -1"),
    ({"query": 1, "threshold": 0.4}, "A query is explained however sure it is: no threshold fits it"),
    ({"threshold": 1.0}, "A threshold of 1 makes no sense"), ({"threshold": -0.1}, "A threshold of -0.1 makes"),
    ({"class_name": "cow"}, r"'cow' is not a class of .*tiny-detr\."),
    ({"class_name": "dig"}, r"Did you mean 'dog'\?"), ({"target": 1}, "a target does not fit it"),
    ({"text": "cat"}, "a text does not fit it"), ({"question": "cat?"}, "a question does not fit it")])
def test_what_cannot_be_asked_of_it(model: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model.explain(PICTURES[0].image, **asked)
