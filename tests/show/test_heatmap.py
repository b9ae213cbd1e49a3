"""Relevance at the picture's size: the scores themselves, and known colours for them."""

from dataclasses import replace

import numpy as np
import pytest
from by_hand import MODEL, drawn, explanation_of
from PIL import Image

from mmx.errors import UsageError
from mmx.results import Asked, Explanation, Item, Patches, Picture, Region, Regions
from mmx.show.colors import DIVERGING, SEQUENTIAL, Colors, Look
from mmx.show.figure import figure_of
from mmx.show.view import Pictures, view_block

SIZE = (60, 40)


def of_patches(scores: list[float], rows: int = 2, columns: int = 3, box: tuple = (0, 0, 60, 40),
               size: tuple[int, int] = SIZE, **fields: object) -> Explanation:
    item = Item("class", 0, "cat", 0.9, "softmax", scores={"image": scores})
    return explanation_of((item,), Asked(), size, elements={"image": (Patches(rows, columns, box),)}, **fields)


def of_regions(scores: list[float], *boxes: tuple) -> Explanation:
    item = Item("answer", 0, "cat", 0.9, "softmax", scores={"image": scores})
    regions = Regions(tuple(Region(box, None, None) for box in boxes), "by hand")
    return explanation_of((item,), Asked("a cat?"), SIZE, elements={"image": (regions,)})


@pytest.mark.parametrize("cells", [False, True])
def test_patches_keep_their_scores_at_their_middles(cells: bool) -> None:
    found = of_patches([0, 1, -2, 3, 4, 50], box=(0, 0, 63, 42), size=(63, 42)).heatmap(cells=cells)
    assert found.shape == (42, 63) and found.dtype == np.float32
    assert found[[10, 31]][:, [10, 31, 52]] == pytest.approx(np.array([[0, 1, -2], [3, 4, 50]]), abs=1e-5)
    assert found.max() == pytest.approx(50) and found.min() == pytest.approx(-2)


def test_cells_are_each_of_one_score() -> None:
    found = of_patches([0, 1, 2, 3, 4, 50]).heatmap(cells=True)
    assert [np.unique(found[top:top + 20, left:left + 20]).tolist() for top in (0, 20) for left in (0, 20, 40)] == [
        [score] for score in (0, 1, 2, 3, 4, 50)]


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
    painted = explanation.overlay(cmap="coolwarm", alpha=1)
    (left, _, blue), (red, _, right) = painted.getpixel((0, 20)), painted.getpixel((59, 20))
    assert blue > left and red > right


def test_an_overlay_has_known_colours_over_known_grounds() -> None:
    """On white, grey and black: the strongest negative score, zero, and a positive one of half its size."""
    ground = np.zeros((30, 90, 3), np.uint8)
    ground[:10], ground[10:20] = 255, 128
    picture = Picture(Image.fromarray(ground), "a.png", "00")
    one = of_patches([-4, 0, 2], 1, 3, (0, 0, 90, 30), (90, 30), pictures=(picture,))
    painted = np.asarray(one.overlay(alpha=0.5, cells=True))
    known = np.array([
        [[140, 164, 202], [255, 255, 255], [252, 223, 213]], [[94, 118, 157], [165, 165, 165], [189, 161, 150]],
        [[49, 73, 112], [73, 73, 73], [126, 98, 87]]])
    assert painted[[5, 15, 25]][:, [15, 45, 75]] == pytest.approx(known, abs=1)  # mixed in 8 bits
    own = np.asarray(one.overlay(cells=True))
    assert own[[5, 15, 25]][:, [15, 45, 75]].tolist() == Colors(DIVERGING, signed=True).over(
        np.broadcast_to(np.array([255, 128, 0])[:, None, None], (3, 3, 3)), np.array([[-1.0, 0.0, 0.5]] * 3)).tolist()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_alpha_is_how_much_the_strongest_covers(alpha: float) -> None:
    for one in (of_patches([0, 1], 1, 2), of_regions([0.0, 1.0], (0, 0, 30, 40), (30, 0, 60, 40))):
        expected = Colors(SEQUENTIAL, alpha=alpha).over(np.full(3, 120), np.array(1.0)).tolist()
        assert [*one.overlay(alpha=alpha).getpixel((55, 20))] == expected


@pytest.mark.parametrize(("dtype", "score", "is_drawn"), [
    ("float32", 1e-37, False), ("float32", 1e-20, True), ("float64", 1e-37, True), ("float64", 1e-60, True)])
def test_scores_below_the_noise_of_their_dtype_colour_nothing(dtype: str, score: float, is_drawn: bool) -> None:
    one = of_patches([0, 0, 0, 0, 0, score], model=replace(MODEL, dtype=dtype))
    painted, plain = np.asarray(one.overlay()), np.asarray(one.overlay(alpha=0))
    assert (painted != plain).any() == is_drawn


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("one", [
    of_patches([0, 1, 2, 3, 4, 5]), of_patches([1.0, 0.5, 0.2, 0.4], 1, 4, (-15, 0, 45, 40)),
    of_patches([0.0, 1.0] * 50, 1, 100), of_regions([0.2, -1.0], (0, 0, 30, 40), (20, 0, 60, 40)),
    of_regions([1.0, -0.2], (0, 0, 60, 40), (20, 0, 30, 40))], ids=["whole", "partly seen", "finer than pixels",
                                                                "regions", "hidden"])
def test_an_overlay_has_the_colours_of_the_figure(one: Explanation, cells: bool) -> None:
    """Where no outline lies: every pixel of a map, the middle of a region."""
    view = figure_of([one], Look(cells=cells)).rows[0].panels[0].views[0]
    view = replace(view, marks=())
    shown, alone = drawn(view_block(view, Pictures(one.pictures), *SIZE)), np.asarray(one.overlay(cells=cells))
    places = (slice(8, 32), slice(34, 50)) if one.elements["image"][0].kind == "regions" else ...
    assert np.abs(shown[places] - alone.astype(int)[places]).max() <= 1


@pytest.mark.parametrize(("call", "said"), [
    (lambda one: one.heatmap(1), "There is no item 1: the explanation has 1"),
    (lambda one: one.heatmap(0, 1), "There is no picture 1: the explanation has 1"),
    (lambda one: one.overlay(cmap="nope"), "no colour map 'nope'"),
    (lambda one: one.overlay(alpha=1.5), "An alpha of 1.5 makes no sense"),
    (lambda one: one.figure(cmap="nope"), "no colour map 'nope'"),
    (lambda one: one.figure(alpha=-1), "An alpha of -1 makes no sense")])
def test_what_is_not_there_is_said(call: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call(of_patches([1.0] * 6))


def test_a_text_has_no_heatmap() -> None:
    item = Item("answer", 0, "cat", 0.9, "softmax", scores={})
    with pytest.raises(UsageError, match="Nothing of picture 0 has relevance for 'cat'"):
        explanation_of((item,), Asked("a cat?"), SIZE).heatmap()
