"""Relevance at the picture's size: the scores themselves, and known colours for them."""

import numpy as np
import pytest
from by_hand import explanation_of

from mmx.errors import UsageError
from mmx.results import Asked, Explanation, Item, Patches, Region, Regions

SIZE = (60, 40)


def of_patches(scores: list[float], rows: int = 2, columns: int = 3, box: tuple = (0, 0, 60, 40)) -> Explanation:
    item = Item("class", 0, "cat", 0.9, "softmax", scores={"image": scores})
    return explanation_of((item,), Asked(), SIZE, elements={"image": (Patches(rows, columns, box),)})


def of_regions(scores: list[float], *boxes: tuple) -> Explanation:
    item = Item("answer", 0, "cat", 0.9, "softmax", scores={"image": scores})
    regions = Regions(tuple(Region(box, None, None) for box in boxes), "by hand")
    return explanation_of((item,), Asked("a cat?"), SIZE, elements={"image": (regions,)})


def test_patches_keep_their_scores_at_their_middles() -> None:
    found = of_patches([0, 1, 2, 3, 4, 50]).heatmap()
    assert found.shape == (40, 60)
    middles = found[[9, 29]][:, [9, 29, 49]]
    assert middles == pytest.approx(np.array([[0, 1, 2], [3, 4, 50]]), abs=2.5)
    assert found.max() == pytest.approx(50) and found.min() == 0


def test_between_two_patches_it_grows_evenly() -> None:
    row = of_patches([0, 1], rows=1, columns=2).heatmap()[20]
    assert row[:15] == pytest.approx(0) and row[45:] == pytest.approx(1)
    assert np.diff(row[15:45]) == pytest.approx(np.full(29, 1 / 30), abs=1e-5)


def test_beside_what_the_model_saw_it_is_zero() -> None:
    found = of_patches([1.0] * 6, box=(10, 0, 50, 40)).heatmap()
    assert (found[:, 10:50] == 1).all() and not found[:, :10].any() and not found[:, 50:].any()


def test_of_regions_that_overlap_the_larger_size_shows() -> None:
    found = of_regions([0.5, -2.0], (0, 0, 30, 40), (20, 10, 60, 40)).heatmap(0)
    assert (found[:, :20] == 0.5).all() and (found[:10, 20:30] == 0.5).all() and (found[10:, 20:] == -2).all()
    assert not found[:10, 30:].any()


def test_an_item_goes_by_itself_or_its_place() -> None:
    explanation = of_patches([0, 1, 2, 3, 4, 5])
    [item] = explanation.items
    assert np.array_equal(explanation.heatmap(item), explanation.heatmap(0))


def test_full_strength_is_the_end_of_the_colour_map_and_nothing_is_paler_than_its_start() -> None:
    explanation = of_patches([0, 1], rows=1, columns=2)
    assert explanation.overlay(alpha=1).size == SIZE
    assert explanation.overlay(alpha=1).getpixel((59, 20)) == (182, 10, 30)
    assert explanation.overlay(cmap="magma", alpha=1).getpixel((59, 20)) == (252, 253, 191)
    plain = explanation.overlay(alpha=0)
    assert plain.getpixel((59, 20)) == plain.getpixel((0, 0)) == explanation.overlay().getpixel((0, 0))


def test_zero_is_in_the_middle_of_a_colour_map_where_scores_have_signs() -> None:
    explanation = of_patches([-1, 1], rows=1, columns=2)
    drawn = explanation.overlay(cmap="coolwarm", alpha=1)
    (left, _, blue), (red, _, right) = drawn.getpixel((0, 20)), drawn.getpixel((59, 20))
    assert blue > left and red > right


@pytest.mark.parametrize(("call", "said"), [
    (lambda one: one.heatmap(1), "There is no item 1: the explanation has 1"),
    (lambda one: one.heatmap(0, 1), "There is no picture 1: the explanation has 1"),
    (lambda one: one.overlay(cmap="nope"), "no colour map 'nope'"),
    (lambda one: one.overlay(alpha=1.5), "An alpha of 1.5 makes no sense")])
def test_what_is_not_there_is_said(call: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call(of_patches([1.0] * 6))


def test_a_text_has_no_heatmap() -> None:
    item = Item("answer", 0, "cat", 0.9, "softmax", scores={})
    with pytest.raises(UsageError, match="Nothing of picture 0 has relevance for 'cat'"):
        explanation_of((item,), Asked("a cat?"), SIZE).heatmap()
