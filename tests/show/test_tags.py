"""Boxes in colours of their own, and tags that do not cover each other."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from mmx.show.tags import Tag, color_of, draw_outline, draw_tags
from mmx.show.typeset import Style

GROUND = (9, 9, 9)
STYLE = Style(18)


def pixels_of(image: Image.Image, color: Sequence[int]) -> int:
    return int((np.asarray(image) == color).all(axis=2).sum())


def tagged(tags: Sequence[Tag], size: tuple[int, int] = (600, 450), widest: float = 0.7) -> Image.Image:
    canvas = Image.new("RGB", size, GROUND)
    draw_tags(canvas, tags, STYLE, widest)
    return canvas


def test_boxes_stand_where_the_picture_is_drawn() -> None:
    canvas = Image.new("RGB", (400, 300), GROUND)
    draw_outline(canvas, (100, 50, 300, 200), color_of(0), 3)
    changed = (np.asarray(canvas) != 9).any(axis=2)
    assert np.flatnonzero(changed.any(axis=0))[[0, -1]].tolist() == [100, 300]
    assert np.flatnonzero(changed.any(axis=1))[[0, -1]].tolist() == [50, 200]
    assert not changed[60:190, 110:290].any()


@pytest.mark.parametrize("box", [(-50, -50, 900, 900), (390, 290, 500, 500), (500, 500, 600, 600), (5, 5, 5, 5)])
def test_what_lies_beyond_the_picture_is_cut_to_it(box: tuple[float, float, float, float]) -> None:
    canvas = Image.new("RGB", (400, 300), GROUND)
    draw_outline(canvas, box, color_of(0), 3)
    assert (np.asarray(canvas) != 9).any()
    assert pixels_of(tagged([Tag(box, color_of(0), "1 cat 90 %", "1")], (400, 300)), color_of(0)) > 500


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
    pixels = np.asarray(tagged([Tag(upper, color_of(0), "", ""), Tag(lower, color_of(1), "2 dog", "2")]))
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
