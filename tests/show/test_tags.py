"""Boxes in colours of their own, and tags that do not cover each other."""

from collections.abc import Sequence

import numpy as np
import pytest
from by_hand import drawn
from matplotlib.offsetbox import DrawingArea

from mmx.show.blocks import filled
from mmx.show.lettering import Style
from mmx.show.panels import color_of
from mmx.show.tags import Tag, draw_frame, draw_outline, draw_tags

GROUND = (9, 9, 9)
STYLE = Style(18)


def ground(size: tuple[int, int]) -> DrawingArea:
    return filled(*size, GROUND)


def pixels_of(pixels: np.ndarray, color: Sequence[int]) -> int:
    return int((pixels == color).all(axis=2).sum())


def tagged(tags: Sequence[Tag], size: tuple[int, int] = (600, 450), widest: float = 0.7) -> np.ndarray:
    block = ground(size)
    draw_tags(block, tags, STYLE, widest)
    pixels = drawn(block)
    assert pixels.shape == (size[1], size[0], 3)
    return pixels


def outlined(box: Sequence[float], width: int = 3, size: tuple[int, int] = (400, 300)) -> np.ndarray:
    block = ground(size)
    draw_outline(block, box, color_of(0), width)
    return drawn(block)


def test_boxes_stand_where_the_picture_is_drawn() -> None:
    changed = (outlined((100, 50, 300, 200)) != 9).any(axis=2)
    assert np.flatnonzero(changed.any(axis=0))[[0, -1]].tolist() == [100, 299]
    assert np.flatnonzero(changed.any(axis=1))[[0, -1]].tolist() == [50, 199]
    assert not changed[60:190, 110:290].any()


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8])
def test_an_outline_has_a_white_rim_on_both_sides_and_crisp_edges(width: int) -> None:
    pixels, rim = outlined((100, 50, 300, 200), width), 1 + width // 4
    across = pixels[125, 100:100 + width + 2 * rim + 1].tolist()
    assert across == [[255] * 3] * rim + [[*color_of(0)]] * width + [[255] * 3] * rim + [[*GROUND]]
    assert pixels[125, 299 - width - 2 * rim:300].tolist() == across[::-1]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_frame_lies_inside_its_box_and_lets_through_what_it_does_not_cover(width: int) -> None:
    block = ground((40, 30))
    draw_frame(block, (5, 4, 25, 20), (209, 109, 9), width, 0.5)
    pixels = drawn(block)
    changed = (pixels != 9).any(axis=2)
    expected = np.zeros((30, 40), bool)
    expected[4:20, 5:25] = True
    expected[4 + width:20 - width, 5 + width:25 - width] = False
    assert (changed == expected).all()
    assert np.abs(pixels[12, 5] - (109, 59, 9)).max() <= 1


@pytest.mark.parametrize("box", [(-50, -50, 900, 900), (390, 290, 500, 500), (500, 500, 600, 600), (5, 5, 5, 5)])
def test_what_lies_beyond_the_picture_is_cut_to_it(box: tuple[float, float, float, float]) -> None:
    assert outlined(box).shape == (300, 400, 3)
    assert (outlined(box) != 9).any()
    assert pixels_of(tagged([Tag(box, color_of(0), "1 cat 90 %", "1")], (400, 300)), color_of(0)) > 500


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 400), (400, 3)])
def test_pictures_smaller_than_a_tag_keep_their_size(size: tuple[int, int]) -> None:
    for box in ((0, 0, 1, 1), (-5, -5, 900, 900), (0.2, 0.2, 0.4, 0.4)):
        assert outlined(box, 3, size).shape == (size[1], size[0], 3)
        assert (outlined(box, 3, size) != 9).any()
        tagged([Tag(box, color_of(0), "1 cat", "1")] * 3, size)


def test_eight_colors_are_followed_by_the_first() -> None:
    assert len({color_of(number) for number in range(8)}) == 8
    assert color_of(8) == color_of(0)


@pytest.mark.parametrize("count", [3, 8])
def test_tags_of_boxes_that_lie_on_each_other_keep_the_whole_of_their_ground(count: int) -> None:
    tags = [Tag((100, 100, 400, 300), color_of(number), f"{number} cat", str(number)) for number in range(count)]
    together = tagged(tags)
    for tag in tags:
        assert pixels_of(together, tag.color) > 0.9 * pixels_of(tagged([tag]), tag.color) > 300


def test_a_tag_hides_no_other_box() -> None:
    """The place above the lower box is taken by the upper one, which is no higher than a tag."""
    upper, lower = (100, 100, 300, 125), (100, 127, 300, 330)
    pixels = tagged([Tag(upper, color_of(0), "", ""), Tag(lower, color_of(1), "2 dog", "2")])
    rows, columns = np.nonzero((pixels == color_of(1)).all(axis=2))
    assert len(rows) > 300
    inside = (rows >= 100) & (rows < 125) & (columns >= 100) & (columns < 300)
    assert inside.sum() < 0.25 * 200 * 25


def test_where_there_is_no_room_the_short_text_stands() -> None:
    tag = Tag((10, 50, 100, 90), color_of(0), "1 a very long name of a thing", "1")
    wide, narrow = tagged([tag], widest=1.0), tagged([tag], widest=0.2)
    assert pixels_of(wide, color_of(0)) > 5 * pixels_of(narrow, color_of(0)) > 500


def test_tags_stay_inside_the_picture() -> None:
    boxes = [(0, 0, 60, 20), (0, 0, 60, 21), (350, 280, 400, 300)]
    tags = [Tag(box, color_of(place), f"{place} red", f"{place} red") for place, box in enumerate(boxes)]
    canvas = tagged(tags, (400, 300))
    whole = [pixels_of(canvas, color_of(place)) for place in range(3)]
    assert min(whole) > 0.8 * max(whole)
