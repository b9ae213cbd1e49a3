"""Several grids of patches over one picture: all of it, and parts of it enlarged."""

import json
from dataclasses import replace

import numpy as np
import pytest
from by_hand import drawn, explanation_of, picture_of, words_of

from mmx.cli.layout import _strongest
from mmx.results import Asked, Explanation, Item, Patches, evened
from mmx.show.figure import figure_of
from mmx.show.html import html_page
from mmx.show.overlay import spread
from mmx.show.view import Pictures, view_block
from mmx.show.wording import top_patch

SIZE = (48, 32)
WHOLE = (0.0, 0.0, 48.0, 32.0)
ADDED = "Where patches lie over one another, their relevance is added, each spread evenly over its patch."


def over(*blocks: tuple[Patches, object], size: tuple[int, int] = SIZE) -> Explanation:
    """A question about a picture, whose words and patches are one stream."""
    words = words_of("a cat?")
    scores = np.concatenate([np.linspace(0, 1, len(words)), *(np.ravel(values) for _, values in blocks)])
    item = Item("answer", 0, "cat", 0.9, "softmax", {"joint": scores})
    pictures = (replace(picture_of(size), sha256="0" * 64),)
    return explanation_of((item,), Asked("a cat?"), size, pictures=pictures,
                          elements={"joint": (words, *(patches for patches, _ in blocks))},
                          predictions=(item.prediction,))


def whole_and_tiles(seed: int = 0) -> Explanation:
    random = np.random.default_rng(seed)
    return over((Patches(2, 3, WHOLE), random.random(6)), (Patches(4, 6, WHOLE), random.random(24)))


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("box", [WHOLE, (-7.3, 4.2, 40.1, 39.9)])
def test_a_grid_alone_keeps_its_scores_to_the_last_bit(box: tuple, cells: bool) -> None:
    scores = np.random.default_rng(0).normal(size=(5, 7))
    found = over((Patches(5, 7, box), scores)).heatmap(cells=cells)
    assert np.array_equal(found, spread(scores, box, SIZE, cells))


def test_each_token_is_spread_evenly_over_its_patch() -> None:
    """A token of four times the area counts for a quarter on a patch of the finer grid."""
    found = over((Patches(1, 1, WHOLE), 4.0), (Patches(2, 2, WHOLE), [[0, 8], [2, 0]])).heatmap(cells=True)
    assert found[[8, 24]][:, [12, 36]].tolist() == [[1, 9], [3, 1]]
    part = over((Patches(1, 1, WHOLE), 4.0), (Patches(1, 1, (0, 0, 24, 16)), 2.0)).heatmap(cells=True)
    assert part[[8, 24]][:, [12, 36]].tolist() == [[3, 1], [1, 1]]


@pytest.mark.parametrize(("cells", "allowed"), [(True, 1e-6), (False, 0.1)])
def test_the_total_is_kept(cells: bool, allowed: float) -> None:
    """Each pixel has what falls on an area as large as the smallest patch."""
    one = whole_and_tiles()
    blocks = [block for block in one.blocks(one[0]) if isinstance(block.element, Patches)]
    smallest = min(block.element.patch_area for block in blocks)
    assert one.heatmap(cells=cells).sum() / smallest == pytest.approx(
        sum(block.scores.sum() for block in blocks), rel=allowed)


def test_grids_that_share_no_edge_are_added_pixel_by_pixel() -> None:
    grids = Patches(2, 3, WHOLE), Patches(3, 5, (-5.0, 3.0, 50.0, 40.0))
    scores = [np.arange(1.0, 7), np.arange(15.0)]
    one = over(*zip(grids, scores, strict=True))
    first, second = evened(grids, scores)
    expected = spread(first.reshape(2, 3), grids[0].box_xyxy_px, SIZE) + spread(
        second.reshape(3, 5), grids[1].box_xyxy_px, SIZE)
    assert one.heatmap() == pytest.approx(expected, abs=1e-6)
    assert sum(map(np.sum, (first, second))) < sum(map(np.sum, scores))


def test_colours_go_up_to_what_grids_come_to_together() -> None:
    one = over((Patches(1, 1, WHOLE), 4.0), (Patches(2, 2, WHOLE), [[0, 8], [2, 0]]))
    figure = figure_of([one])
    [scale], [layer] = figure.rows[0].panels[0].scales, figure.rows[0].panels[0].views[0].layers
    assert scale.shades.ends == (0, 9)
    assert layer.shades.strengths == pytest.approx(np.array([1, 1, 9, 3, 1]) / 9)
    assert one.overlay(cells=True, alpha=1).getpixel((36, 8)) == (182, 10, 30)
    assert ADDED in figure.small_print
    assert ADDED not in figure_of([over((Patches(2, 2, WHOLE), np.ones(4)))]).small_print


@pytest.mark.parametrize("cells", [False, True])
def test_an_overlay_has_the_colours_of_the_figure(cells: bool) -> None:
    one = whole_and_tiles()
    view = figure_of([one]).rows[0].panels[0].views[0]
    view = replace(view, layers=tuple(replace(layer, cells=cells) for layer in view.layers))
    shown = drawn(view_block(view, Pictures(one.pictures), *SIZE))
    assert np.abs(shown - np.asarray(one.overlay(cells=cells)).astype(int)).max() <= 1


def test_the_place_that_is_told_is_where_most_relevance_lies() -> None:
    """A token of a large patch may have the highest score, and little of it anywhere."""
    small = np.zeros((4, 4))
    small[3, 3] = 2
    one = over((Patches(1, 2, WHOLE), [5.0, 0]), (Patches(4, 4, WHOLE), small))
    assert top_patch(one, one[0]) == "lower right"
    assert _strongest(one, one[0])["patches"] == "lower right"


def tiles(left: float, gap: float = 1.0) -> list[Patches]:
    """Two by two of them, of 3 x 3 patches of 4 pixels."""
    starts = left, left + 12 + gap
    return [Patches(3, 3, (x, y, x + 12, y + 12)) for y in starts for x in starts]


def test_no_seam_is_seen_between_tiles_that_lie_side_by_side() -> None:
    found = over(*((tile, np.full(9, 3.0)) for tile in tiles(2))).heatmap()
    assert found[2:27, 2:27] == pytest.approx(3) and not found[:, 27:].any()


def test_between_tiles_it_grows_from_one_middle_to_the_next() -> None:
    """The last middle of the first tile lies at 12, the first one of the next at 17."""
    found = over(*((tile, np.full(9, value)) for tile, value in zip(tiles(2), [0.0, 1, 0, 1], strict=True))).heatmap()
    assert found[10, :12] == pytest.approx(0) and found[10, 17:27] == pytest.approx(1)
    assert (np.diff(found[10, 12:17]) > 0).all() and found[10, 14] == pytest.approx(0.5, abs=0.03)


def test_cells_have_gaps_where_the_model_sees_nothing() -> None:
    found = over(*((tile, np.full(9, 3.0)) for tile in tiles(2))).heatmap(cells=True)
    assert not found[14].any() and not found[:, 14].any() and (found[2:14, 2:14] == 3).all()


@pytest.mark.parametrize("several", [
    tiles(2)[:3], tiles(2, gap=9), tiles(2, gap=-2), [*tiles(2)[:3], Patches(2, 3, (15, 15, 27, 23))],
    [Patches(3, 3, (0, 0, 12, 12))] * 2], ids=["a corner lacks", "far apart", "overlap", "uneven", "the same"])
def test_what_makes_no_larger_grid_is_spread_by_itself(several: list[Patches]) -> None:
    random = np.random.default_rng(0)
    blocks = [(tile, random.random(len(tile))) for tile in several]
    expected = sum(spread(values.reshape(tile.rows, tile.columns), tile.box_xyxy_px, SIZE) for tile, values in blocks)
    assert over(*blocks).heatmap() == pytest.approx(expected, abs=1e-6)


def test_it_goes_through_json_and_is_drawn_alike() -> None:
    one = whole_and_tiles()
    again = Explanation.from_dict(json.loads(one.to_json()), [one.picture.image])
    assert again.elements == one.elements and again.to_json() == one.to_json()
    assert np.array_equal(again.heatmap(), one.heatmap())
    assert np.array_equal(np.asarray(again.to_image()), np.asarray(one.to_image()))
    assert html_page([again]) == html_page([one]) and ADDED in html_page([one])


def test_rows_have_every_patch_of_every_grid() -> None:
    rows = [row for row in whole_and_tiles().rows() if row["left"] is not None]
    assert len(rows) == 30 and [rows[6][side] for side in ("left", "top", "right", "bottom")] == [0, 0, 8, 8]
