"""Which drawn scenes studies are made of: none that a shipped model was trained on."""

from collections.abc import Iterable

from mmx.shapes.world import Picture, Scene, draw_scene, render

FRESH_SCENES = range(1_000_000)
"""Scenes of training begin behind them."""
PICTURE_SIZE_PX = 288


def drawn(numbers: Iterable[int]) -> list[tuple[Scene, Picture]]:
    """The scenes of these numbers with their pictures."""
    scenes = [draw_scene(number) for number in numbers]
    return [(scene, render(scene, PICTURE_SIZE_PX)) for scene in scenes]
