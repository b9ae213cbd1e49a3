"""Captions of a scene: each names one or two things, and is true or false of a scene without doubt."""

from dataclasses import dataclass

import numpy as np

from mmx.shapes.questions import name_not_in
from mmx.shapes.world import Scene

PHRASES = ("a {things}", "a picture of a {things}", "there is a {things}", "a scene with a {things}")
_TWO_SHARE = 0.4


@dataclass(frozen=True)
class Caption:
    """`names`: what it says is there. `evidence`: indices of the scene's things that bear these names."""

    text: str
    names: tuple[str, ...]
    evidence: tuple[int, ...]


def true_caption(scene: Scene, random: np.random.Generator) -> Caption:
    """One that the scene bears out."""
    present = sorted({thing.name for thing in scene.things})
    count = 2 if len(present) > 1 and random.random() < _TWO_SHARE else 1
    return _caption(scene, [str(name) for name in random.choice(present, count, replace=False)], random)


def false_caption(scene: Scene, random: np.random.Generator) -> Caption:
    """One with a thing in it that the scene does not have; half of those have a colour and a shape that it has."""
    wrong = name_not_in(scene, random)
    if random.random() >= _TWO_SHARE:
        return _caption(scene, [wrong], random)
    other = str(random.choice([thing.name for thing in scene.things]))
    return _caption(scene, [wrong, other] if random.random() < 0.5 else [other, wrong], random)


def draw_captions(scene: Scene, seed: int, count: int) -> list[Caption]:
    """A true caption, then `count` - 1 false ones, all different."""
    random = np.random.default_rng(seed)
    captions = [true_caption(scene, random)]
    while len(captions) < count:
        wrong = false_caption(scene, random)
        if all(wrong.names != caption.names for caption in captions):
            captions.append(wrong)
    return captions


def _caption(scene: Scene, names: list[str], random: np.random.Generator) -> Caption:
    text = str(random.choice(PHRASES)).format(things=" and a ".join(names))
    evidence = tuple(index for index, thing in enumerate(scene.things) if thing.name in names)
    return Caption(text, tuple(names), evidence)
