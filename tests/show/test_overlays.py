"""Relevance over a picture: maps that are spread, regions that are painted, one blend, and outlines over it."""

import numpy as np
import pytest
from by_hand import drawn
from PIL import Image

from mmx.results import Picture, Region
from mmx.show.colors import DIVERGING, SEQUENTIAL, Colors, Shades, luminance
from mmx.show.overlay import painted, pixel_boxes, spread, strongest
from mmx.show.panels import Outlines, View
from mmx.show.view import Pictures, view_block

POSITIVE, SIGNED = Colors(SEQUENTIAL), Colors(DIVERGING, signed=True)


def colored(boxes, strengths, color=(40, 90, 160), size=(200, 100), colors=POSITIVE) -> np.ndarray:
    """A picture of one colour under painted regions, without their outlines."""
    field = painted(pixel_boxes(np.array(boxes), size), np.array(strengths), size)
    return np.asarray(colors.over_image(Image.new("RGB", size, color), field)).astype(int)


def outlined(boxes, strengths, color=(40, 90, 160), size=(200, 100), colors=POSITIVE) -> np.ndarray:
    """As a figure shows it."""
    regions = tuple(Region(tuple(map(float, box))) for box in boxes)
    view = View(0, (Outlines(Shades(np.array(strengths, dtype=float), colors, 1.0), regions),), (), "")
    pictures = Pictures([Picture(Image.new("RGB", size, color), "a.png", "00")])
    return drawn(view_block(view, pictures, *size))


def distance(pixel: np.ndarray, color: np.ndarray) -> float:
    return float(np.linalg.norm(pixel - np.asarray(color, dtype=int)))


def test_stronger_pixels_come_closer_to_the_hottest_colour_and_others_turn_pale() -> None:
    own, hottest = np.array([40, 90, 160]), POSITIVE.at(1.0)
    plain = colored(np.zeros((0, 4)), np.zeros(0))
    pixels = colored([(0, 0, 100, 100), (100, 0, 200, 50)], [1.0, 0.3])
    assert pixels[50, 50].tolist() == POSITIVE.over(own, np.array(1.0)).tolist()
    assert distance(pixels[50, 50], hottest) < distance(plain[50, 50], hottest)
    assert (pixels[75, 150] == plain[75, 150]).all()
    assert distance(pixels[25, 150], plain[25, 150]) > 15
    assert distance(pixels[25, 150], hottest) > distance(pixels[50, 50], hottest)


def test_zero_relevance_leaves_the_picture_pale_but_recognisable() -> None:
    pixels = colored([(20, 20, 120, 80)], [0.0])
    assert (pixels[50, 50] == pixels[5, 5]).all()
    assert np.ptp(pixels[5, 5]) < np.ptp([40, 90, 160]) / 2
    assert luminance(pixels[5, 5]) > luminance(np.array([40, 90, 160]))
    other = colored([(20, 20, 120, 80)], [0.0], color=(160, 90, 40))
    assert distance(pixels[5, 5], other[5, 5]) > 30


def test_the_picture_shows_through_the_strongest_colour() -> None:
    light, dark = (colored([(0, 0, 200, 100)], [1.0], color=(level,) * 3)[50, 50] for level in (255, 0))
    assert (light - dark > 40).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_strongest_region_wins_where_regions_overlap(order: tuple[int, int], sign: int) -> None:
    boxes, strengths = np.array([(0, 0, 120, 100), (60, 0, 200, 100)]), sign * np.array([0.2, 0.9])
    pixels = colored(boxes[list(order)], strengths[list(order)], colors=SIGNED)
    alone = colored([boxes[1]], [strengths[1]], colors=SIGNED)
    assert (pixels[50, 90] == alone[50, 90]).all()
    assert (pixels[50, 30] != alone[50, 30]).any()


def test_sign_is_told_apart() -> None:
    pixels = colored([(0, 0, 100, 100), (100, 0, 200, 100)], [-1.0, 1.0], color=(128, 128, 128), colors=SIGNED)
    for column, sign in ((50, -1.0), (150, 1.0)):
        assert pixels[50, column].tolist() == SIGNED.over(np.full(3, 128), np.array(sign)).tolist()
    red_minus_blue = pixels[50, :, 0] - pixels[50, :, 2]
    assert red_minus_blue[50] < -50
    assert red_minus_blue[150] > 50


def test_outline_is_crisp_on_a_strong_region_and_faint_on_an_irrelevant_one() -> None:
    pixels = outlined([(10, 10, 90, 90), (110, 10, 190, 90)], [1.0, 0.0])
    for row, column in ((50, 10), (50, 89), (10, 50), (89, 50)):
        assert pixels[row, column].tolist() == [182, 10, 30]
    faint = distance(pixels[50, 110], pixels[50, 150])
    assert 0 < faint < distance(pixels[50, 10], pixels[50, 50])
    assert (pixels[:, :10] == pixels[0, 0]).all() and (pixels[:, 91:109] == pixels[0, 0]).all()


def test_outlines_of_stronger_regions_are_thicker() -> None:
    boxes = [(0, 0, 400, 400), (400, 0, 800, 400)]
    pixels = outlined(boxes, [0.3, 1.0], size=(800, 400))
    weak, strong = ((pixels[200] == color).all(axis=-1).sum() for color in (pixels[200, 0], pixels[200, 799]))
    assert strong > weak > 0


@pytest.mark.parametrize("box", [(-50, -50, 20, 20), (190, 90, 900, 900), (30, 30, 30, 30), (300, 300, 400, 400)])
def test_boxes_beyond_the_picture_are_cut_to_it(box: tuple[int, ...]) -> None:
    pixels = outlined([box], [1.0])
    assert pixels.shape == (100, 200, 3)
    untouched = outlined(np.zeros((0, 4)), np.zeros(0))
    assert (untouched == colored(np.zeros((0, 4)), np.zeros(0))).all()
    changed = (pixels != untouched).any(axis=2)
    assert 1 <= changed.sum() <= 441


def test_grid_colors_every_cell_by_its_own_score() -> None:
    strengths = np.linspace(0, 1, 36)
    boxes = [(x * 20, y * 20, x * 20 + 20, y * 20 + 20) for y in range(6) for x in range(6)]
    pixels = colored(boxes, strengths, color=(128, 128, 128), size=(120, 120))
    centres = pixels[10::20, 10::20].reshape(36, 3)
    redness = centres[:, 0] - centres[:, 2]
    assert redness[0] == 0
    assert (redness[2:] > 0).all()
    assert redness[-10:].min() > 1.5 * redness[:10].max()
    assert len({tuple(color) for color in centres.tolist()}) == 36


WHOLE = (0, 0, 80, 40)


def mapped(*maps, size=(80, 40)) -> np.ndarray:
    field = strongest([spread(np.array(one), box, size) for one, box in maps], size)
    return np.asarray(POSITIVE.over_image(Image.new("RGB", size, (100, 100, 100)), field)).astype(int)


def test_map_is_spread_over_the_picture() -> None:
    pixels, plain = mapped(([[0.0, 1.0]], WHOLE)), mapped((np.zeros((1, 2)), WHOLE))
    assert pixels.shape == (40, 80, 3)
    assert (pixels[:, 0] == plain[:, 0]).all()
    from_hottest = [distance(pixels[20, x], POSITIVE.at(1.0)) for x in (25, 40, 55, 79)]
    assert from_hottest == sorted(from_hottest, reverse=True)
    assert from_hottest[0] > from_hottest[-1] + 30


def test_a_map_lies_on_what_the_model_saw_alone() -> None:
    whole, part = mapped((np.ones((2, 2)), WHOLE)), mapped((np.ones((2, 2)), (20, 0, 60, 40)))
    untouched = mapped((np.zeros((2, 2)), WHOLE))
    assert (part[:, 20:60] == whole[:, 20:60]).all()
    assert (part[:, :20] == untouched[:, :20]).all()
    assert (part[:, 60:] == untouched[:, 60:]).all()
    assert (mapped((np.ones((2, 2)), (-20, -10, 100, 50))) == whole).all()


@pytest.mark.parametrize("cells", [False, True])
def test_the_seen_part_of_a_map_beyond_the_picture_is_that_of_the_whole_map(cells: bool) -> None:
    grid = np.random.default_rng(0).standard_normal((6, 8))
    whole = spread(grid, (0, 0, 160, 120), (160, 120), cells)
    part = spread(grid, (-40, -30, 120, 90), (80, 40), cells)
    assert part == pytest.approx(whole[30:70, 40:120], abs=1e-6)
    assert not spread(grid, (500, 500, 600, 600), (80, 40), cells).any()
    assert not spread(grid, (-90, -90, -10, -10), (80, 40), cells).any()


def test_of_a_huge_map_no_more_is_made_than_is_seen() -> None:
    assert spread(np.ones((3, 3)), (-1e9, -1e9, 1e9, 1e9), (4, 3)).tolist() == [[1.0] * 4] * 3


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize(("shape", "size"), [((1, 1), (7, 5)), ((1, 4), (36, 9)), ((5, 1), (9, 45)), ((4, 3), (27, 36)),
                                             ((14, 14), (126, 126)), ((3, 2), (18, 27))])
def test_a_patch_keeps_its_value_at_its_middle(shape: tuple[int, int], size: tuple[int, int], cells: bool) -> None:
    grid = np.random.default_rng(1).standard_normal(shape)
    tall, wide = size[1] // shape[0], size[0] // shape[1]
    found = spread(grid, (0, 0, *size), size, cells)
    assert found.shape == size[::-1]
    assert found[tall // 2::tall, wide // 2::wide] == pytest.approx(grid, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_peak_is_made_between_patches(seed: int) -> None:
    """Along each axis what lies between two patches lies between their values, whatever stands beside them."""
    random = np.random.default_rng(seed)
    grid = random.standard_normal((5, 6)) * 10.0**random.integers(-3, 4, (5, 6)) * random.integers(0, 2, (5, 6))
    found = spread(grid, (0, 0, 6 * 9, 5 * 9), (6 * 9, 5 * 9)).astype(np.float64)
    slack = 1e-6 * np.abs(grid).max()
    assert grid.min() - slack <= found.min() and found.max() <= grid.max() + slack
    for rows, values in ((found[4::9], grid), (found[:, 4::9].T, grid.T)):
        for place in range(values.shape[1] - 1):
            between = rows[:, 4 + 9 * place:4 + 9 * (place + 1) + 1]
            low, high = np.sort(values[:, place:place + 2], axis=1).T[..., None]
            assert (between >= low - slack).all() and (between <= high + slack).all()
            steps = np.diff(between, axis=1) * np.sign(values[:, place + 1] - values[:, place])[:, None]
            assert (steps >= -slack).all()


def test_beyond_the_outermost_middles_the_values_stay() -> None:
    found = spread(np.array([[3.0, -1.0, 7.0]]), (0, 0, 90, 30), (90, 30))
    assert (found[:, :15] == 3).all() and (found[:, 75:] == 7).all()


def test_smooth_is_smooth_and_keeps_flat_what_is_flat() -> None:
    found = spread(np.array([[0.0, 0.0, 1.0, 1.0]]), (0, 0, 400, 1), (400, 1))[0]
    assert not found[:150].any() and (found[250:] == 1).all()
    assert 0 < np.diff(found[150:250]).max() < 0.02  # of 1/100 on the straight way
    assert found[199:201] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("size", [(60, 40), (7, 5), (61, 43), (2, 2), (1, 1)])
def test_cells_are_each_of_one_value(size: tuple[int, int]) -> None:
    grid = np.arange(1.0, 7.0).reshape(2, 3)
    found = spread(grid, (0, 0, *size), size, cells=True)
    rows, columns = (((np.arange(side) + 0.5) * count / side).astype(int)
                     for side, count in ((size[1], 2), (size[0], 3)))
    assert (found == grid[rows][:, columns]).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_where_two_maps_meet_the_stronger_shows(order: tuple[int, int]) -> None:
    maps = [(np.full((1, 1), 0.2), WHOLE), (np.full((1, 1), 0.9), (40, 0, 80, 40))]
    pixels = mapped(*(maps[place] for place in order))
    assert (pixels[:, :40] == mapped(maps[0])[:, :40]).all()
    assert (pixels[:, 40:] == mapped(maps[1])[:, 40:]).all()
