"""Captions: true and false ones of drawn scenes, and where an exam looks for what they name."""

import numpy as np
import pytest

from mmx.results import Patches
from mmx.shapes.captions import draw_captions
from mmx.shapes.questions import largest_thing
from mmx.shapes.world import draw_scene


@pytest.mark.parametrize("seed", range(20))
def test_only_the_first_caption_is_true(seed: int) -> None:
    scene = draw_scene(seed)
    present = {thing.name for thing in scene.things}
    true, *false = draw_captions(scene, seed, 16)
    assert set(true.names) <= present
    assert {scene.things[index].name for index in true.evidence} == set(true.names)
    assert len(true.evidence) == sum(thing.name in true.names for thing in scene.things)
    for caption in false:
        assert not set(caption.names) <= present
    assert len({caption.names for caption in (true, *false)}) == 16
    for caption in (true, *false):
        assert all(f"a {name}" in caption.text for name in caption.names)


def test_captions_depend_on_the_seed_alone() -> None:
    scene = draw_scene(3)
    assert draw_captions(scene, 5, 16) == draw_captions(scene, 5, 16)
    assert draw_captions(scene, 5, 16) != draw_captions(scene, 6, 16)


def test_some_captions_name_two_things() -> None:
    counts = [len(draw_captions(draw_scene(seed), seed, 1)[0].names) for seed in range(60)]
    assert set(counts) == {1, 2}


def test_the_largest_thing_is_larger_without_doubt() -> None:
    found = [(scene, largest_thing(scene)) for scene in map(draw_scene, range(60))]
    assert {index is None for _, index in found} == {True, False}
    for scene, index in found:
        radii = [thing.radius for thing in scene.things]
        if index is not None:
            assert radii[index] == max(radii)
        assert (index is not None) == (sorted(radii)[-1] >= 1.2 * sorted(radii)[-2])


def test_cells_cover_a_part_of_the_picture_row_by_row() -> None:
    boxes = np.array(Patches(2, 3, (10, 0, 70, 40)).boxes_xyxy_px)
    assert boxes.tolist() == [[10, 0, 30, 20], [30, 0, 50, 20], [50, 0, 70, 20],
                              [10, 20, 30, 40], [30, 20, 50, 40], [50, 20, 70, 40]]
    assert np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum() == 60 * 40
