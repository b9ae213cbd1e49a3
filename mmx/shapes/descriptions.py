"""Descriptions of a scene: all its things by name, from left to right."""

import re
from collections.abc import Sequence

import numpy as np

from mmx.shapes.questions import Question
from mmx.shapes.world import COLORS, SHAPES, Scene

PHRASES = ("what do you see?", "what is in the picture?")
MARKS = ("a", "and", ",", ".")
_NAME = re.compile(rf"\b(?:{'|'.join(COLORS)}) (?:{'|'.join(SHAPES)})\b")
_DOUBT = 0.02


def draw_description(scene: Scene, seed: int) -> Question:
    """The question for one, in one of two wordings; `evidence` holds all things in the order in which they are named.

    "a yellow square, a blue circle and a cyan triangle."
    """
    order = _left_to_right(scene)
    asked = str(np.random.default_rng(seed).choice(PHRASES))
    return Question(asked, _sentence([scene.things[index].name for index in order]), "describe", tuple(order))


def names_in(text: str) -> list[str]:
    """The names of things that a text has, in its order."""
    return _NAME.findall(text)


def words_of(text: str) -> list[str]:
    """Words and marks, each alone."""
    return re.findall(r"\w+|[^\w\s]", text)


def things_described(scene: Scene, text: str) -> tuple[int, ...] | None:
    """Indices of all things of the scene in the order in which a text describes them, or None if it does not.

    Two whose centres are less than 0.02 of the picture's side apart, left to right, may be named either way.
    """
    names = names_in(text)
    if text != _sentence(names) or sorted(names) != sorted(thing.name for thing in scene.things):
        return None
    by_name = {name: [index for index in _left_to_right(scene) if scene.things[index].name == name] for name in names}
    order = tuple(by_name[name].pop(0) for name in names)
    xs = [scene.things[index].x for index in order]
    is_right = all(left < right + _DOUBT for place, left in enumerate(xs) for right in xs[place + 1:])
    return order if is_right else None


def _left_to_right(scene: Scene) -> list[int]:
    return sorted(range(len(scene.things)), key=lambda index: scene.things[index].x)


def _sentence(names: Sequence[str]) -> str:
    """ "a red star and a blue circle." """
    *others, last = (f"a {name}" for name in names) if names else ("",)
    return f"{', '.join(others)} and {last}." if others else f"{last}."
