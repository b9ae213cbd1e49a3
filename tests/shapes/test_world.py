"""Scenes and their exact masks: what the explanations of the shipped checkpoints are scored against."""

import numpy as np
import pytest

from mmx.shapes.world import CLASSES, COLORS, SHAPES, Picture, Scene, draw_scene, render

SIZE = 96
SEEDS = range(25)
SCENES = [draw_scene(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [render(scene, SIZE) for scene in SCENES]


def test_a_seed_is_one_picture_and_another_seed_another() -> None:
    once, again, other = (render(draw_scene(seed), SIZE) for seed in (3, 3, 4))
    assert draw_scene(3) == draw_scene(3)
    assert np.array_equal(once.pixels, again.pixels)
    assert np.array_equal(once.masks, again.masks)
    assert not np.array_equal(once.pixels, other.pixels)


def test_scenes_hold_two_to_seven_things_of_known_kinds() -> None:
    scenes = [draw_scene(seed) for seed in range(300)]
    assert {len(scene.things) for scene in scenes} == set(range(2, 8))
    names = {thing.name for scene in scenes for thing in scene.things}
    assert names == set(CLASSES)
    assert len(CLASSES) == len(COLORS) * len(SHAPES) == 24


def test_pictures_have_the_promised_forms(pictures: list[Picture]) -> None:
    for scene, picture in zip(SCENES, pictures, strict=True):
        count = len(scene.things)
        assert (picture.pixels.shape, picture.pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)
        assert (picture.masks.shape, picture.masks.dtype) == ((count, SIZE, SIZE), bool)
        assert (picture.boxes_xyxy_px.shape, picture.boxes_xyxy_px.dtype) == ((count, 4), np.float32)
        assert np.array_equal(np.asarray(picture.image), picture.pixels)


def test_a_pixel_shows_one_thing_at_most(pictures: list[Picture]) -> None:
    for picture in pictures:
        assert picture.masks.sum(axis=0).max() == 1
        assert picture.masks.any(axis=(1, 2)).all()


def test_boxes_are_tight_around_the_masks(pictures: list[Picture]) -> None:
    for picture in pictures:
        for mask, box in zip(picture.masks, picture.boxes_xyxy_px, strict=True):
            ys, xs = np.nonzero(mask)
            assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


def test_things_lie_within_the_picture_and_hardly_cover_each_other(pictures: list[Picture]) -> None:
    for scene, picture in zip(SCENES, pictures, strict=True):
        for index, thing in enumerate(scene.things):
            alone = render(Scene((thing,), scene.ground_seed), SIZE).masks[0]
            visible = picture.masks[index]
            assert not (visible & ~alone).any()
            assert visible.sum() >= 0.9 * alone.sum()
            assert 0 <= thing.outline().min() <= thing.outline().max() <= 1


def test_a_thing_has_its_tint_at_its_centre_and_the_ground_is_left_alone(pictures: list[Picture]) -> None:
    for scene, picture in zip(SCENES, pictures, strict=True):
        ground = render(Scene((), scene.ground_seed), SIZE).pixels
        for thing, mask in zip(scene.things, picture.masks, strict=True):
            x, y = int(thing.x * SIZE), int(thing.y * SIZE)
            assert mask[y, x]
            assert np.abs(picture.pixels[y, x].astype(int) - thing.tint).max() <= 1
            assert np.abs(np.array(thing.tint) - COLORS[thing.color]).max() <= 60
        changed = (picture.pixels != ground).any(axis=2)
        assert (changed | ~picture.masks.any(axis=0)).mean() > 0.99
        assert (changed & ~picture.masks.any(axis=0)).mean() < 0.05


def test_a_tint_is_nearest_to_its_own_colour() -> None:
    for thing in (thing for seed in range(200) for thing in draw_scene(seed).things):
        distances = {name: np.linalg.norm(np.array(thing.tint) - rgb) for name, rgb in COLORS.items()}
        assert min(distances, key=distances.__getitem__) == thing.color


def test_the_shape_of_a_mask_is_that_of_its_thing() -> None:
    """Area over that of the circle around the centre that just holds the shape."""
    corners = {"circle": 48, "square": 4, "triangle": 3, "star": 10}
    for thing in (thing for scene in SCENES for thing in scene.things):
        mask = render(Scene((thing,), 0), 256).masks[0]
        assert thing.outline().shape == (corners[thing.shape], 2)
        ys, xs = np.nonzero(mask)
        reach = np.hypot(xs + 0.5 - thing.x * 256, ys + 0.5 - thing.y * 256).max()
        share = {"circle": 1.0, "square": 0.637, "triangle": 0.413, "star": 0.383}[thing.shape]
        assert mask.sum() / (np.pi * reach**2) == pytest.approx(share, abs=0.06)


def test_one_scene_at_two_sizes_shows_the_same_layout(pictures: list[Picture]) -> None:
    for scene, small in zip(SCENES[:10], pictures[:10], strict=True):
        large = render(scene, 3 * SIZE)
        shrunken = large.masks.reshape(-1, SIZE, 3, SIZE, 3).mean(axis=(2, 4)) >= 0.5
        overlap = (shrunken & small.masks).sum(axis=(1, 2)) / (shrunken | small.masks).sum(axis=(1, 2))
        assert overlap.min() > 0.85
        assert np.abs(large.boxes_xyxy_px / 3 - small.boxes_xyxy_px).max() <= 1.5
        colors = large.pixels.reshape(SIZE, 3, SIZE, 3, 3).mean(axis=(1, 3)) - small.pixels
        assert np.abs(colors).mean() < 4
