import numpy as np
import pytest
from PIL import Image

from mmx.show.colors import DIVERGING, SEQUENTIAL, luminance
from mmx.show.overlay import overlay_maps, overlay_regions


def drawn(boxes, strengths, color=(40, 90, 160), size=(200, 100), colormap=SEQUENTIAL) -> np.ndarray:
    image = Image.new("RGB", size, color)
    return np.asarray(overlay_regions(image, np.array(boxes), np.array(strengths), colormap)).astype(int)


def distance(pixel: np.ndarray, color: np.ndarray) -> float:
    return float(np.linalg.norm(pixel - np.asarray(color, dtype=int)))


def test_relevant_pixels_keep_their_own_color_with_a_tint_and_others_turn_pale() -> None:
    own, hottest = np.array([40, 90, 160]), SEQUENTIAL(1.0)
    plain = drawn(np.zeros((0, 4)), np.zeros(0))
    pixels = drawn([(0, 0, 100, 100), (100, 0, 200, 50)], [1.0, 0.3])
    assert pixels[50, 50].tolist() == (own + 0.2 * (hottest.astype(float) - own)).round().tolist()
    assert distance(pixels[50, 50], hottest) < distance(plain[50, 50], hottest)
    assert (pixels[75, 150] == plain[75, 150]).all()
    assert distance(pixels[25, 150], plain[25, 150]) > 15
    assert distance(pixels[25, 150], hottest) > distance(pixels[50, 50], hottest)


def test_zero_relevance_leaves_the_picture_pale_but_recognisable() -> None:
    pixels = drawn([(20, 20, 120, 80)], [0.0])
    assert (pixels[50, 50] == pixels[5, 5]).all()
    assert np.ptp(pixels[5, 5]) < np.ptp([40, 90, 160]) / 2
    assert luminance(pixels[5, 5]) > luminance(np.array([40, 90, 160]))
    other = drawn([(20, 20, 120, 80)], [0.0], color=(160, 90, 40))
    assert distance(pixels[5, 5], other[5, 5]) > 30


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_strongest_region_wins_where_regions_overlap(order: tuple[int, int]) -> None:
    boxes, strengths = np.array([(0, 0, 120, 100), (60, 0, 200, 100)]), np.array([0.2, 0.9])
    pixels = drawn(boxes[list(order)], strengths[list(order)])
    alone = drawn([boxes[1]], [0.9])
    assert (pixels[50, 90] == alone[50, 90]).all()
    assert (pixels[50, 30] != alone[50, 30]).any()


def test_sign_is_told_apart() -> None:
    pixels = drawn([(0, 0, 100, 100), (100, 0, 200, 100)], [-1.0, 1.0], color=(128, 128, 128), colormap=DIVERGING)
    for column, sign in ((50, -1.0), (150, 1.0)):
        assert pixels[50, column].tolist() == (128 + 0.2 * (DIVERGING(sign).astype(float) - 128)).round().tolist()
    red_minus_blue = pixels[50, :, 0] - pixels[50, :, 2]
    assert red_minus_blue[50] < -20
    assert red_minus_blue[150] > 20


def test_outline_is_crisp_on_a_strong_region_and_faint_on_an_irrelevant_one() -> None:
    pixels = drawn([(10, 10, 90, 90), (110, 10, 190, 90)], [1.0, 0.0])
    assert pixels[50, 10].tolist() == SEQUENTIAL(1.0).tolist()
    faint = distance(pixels[50, 110], pixels[50, 150])
    assert 0 < faint < distance(pixels[50, 10], pixels[50, 50])


@pytest.mark.parametrize("box", [(-50, -50, 20, 20), (190, 90, 900, 900), (30, 30, 30, 30), (300, 300, 400, 400)])
def test_boxes_beyond_the_picture_are_cut_to_it(box: tuple[int, ...]) -> None:
    pixels = drawn([box], [1.0])
    assert pixels.shape == (100, 200, 3)
    untouched = drawn(np.zeros((0, 4)), np.zeros(0))
    changed = (pixels != untouched).any(axis=2)
    assert 1 <= changed.sum() <= 400


def test_grid_colors_every_cell_by_its_own_score() -> None:
    strengths = np.linspace(0, 1, 36)
    boxes = [(x * 20, y * 20, x * 20 + 20, y * 20 + 20) for y in range(6) for x in range(6)]
    pixels = drawn(boxes, strengths, color=(128, 128, 128), size=(120, 120))
    centres = pixels[10::20, 10::20].reshape(36, 3)
    redness = centres[:, 0] - centres[:, 2]
    assert redness[0] == 0
    assert (redness[2:] > 0).all()
    assert redness[-10:].min() > 1.5 * redness[:10].max()
    assert len({tuple(color) for color in centres.tolist()}) == 36


def mapped(*maps, size=(80, 40)) -> np.ndarray:
    image = Image.new("RGB", size, (100, 100, 100))
    return np.asarray(overlay_maps(image, [(np.array(one), box) for one, box in maps], SEQUENTIAL)).astype(int)


WHOLE = (0, 0, 80, 40)


def test_map_is_spread_over_the_picture() -> None:
    pixels, plain = mapped(([[0.0, 1.0]], WHOLE)), mapped((np.zeros((1, 2)), WHOLE))
    assert pixels.shape == (40, 80, 3)
    assert (pixels[:, 0] == plain[:, 0]).all()
    from_hottest = [distance(pixels[20, x], SEQUENTIAL(1.0)) for x in (25, 40, 55, 79)]
    assert from_hottest == sorted(from_hottest, reverse=True)
    assert from_hottest[0] > from_hottest[-1] + 30


def test_a_map_lies_on_what_the_model_saw_alone() -> None:
    whole, part = mapped((np.ones((2, 2)), WHOLE)), mapped((np.ones((2, 2)), (20, 0, 60, 40)))
    untouched = mapped((np.zeros((2, 2)), WHOLE))
    assert (part[:, 20:60] == whole[:, 20:60]).all()
    assert (part[:, :20] == untouched[:, :20]).all()
    assert (part[:, 60:] == untouched[:, 60:]).all()
    assert (mapped((np.ones((2, 2)), (-20, -10, 100, 50))) == whole).all()


def test_the_seen_part_of_a_map_beyond_the_picture_is_that_of_the_whole_map() -> None:
    grid = np.random.default_rng(0).random((6, 8))
    whole = mapped((grid, (0, 0, 160, 120)), size=(160, 120))
    assert np.abs(mapped((grid, (-40, -30, 120, 90))) - whole[30:70, 40:120]).max() <= 1
    assert (mapped((grid, (500, 500, 600, 600))) == mapped((np.zeros((6, 8)), WHOLE))).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_where_two_maps_meet_the_stronger_shows(order: tuple[int, int]) -> None:
    maps = [(np.full((1, 1), 0.2), WHOLE), (np.full((1, 1), 0.9), (40, 0, 80, 40))]
    pixels = mapped(*(maps[place] for place in order))
    assert (pixels[:, :40] == mapped(maps[0])[:, :40]).all()
    assert (pixels[:, 40:] == mapped(maps[1])[:, 40:]).all()
