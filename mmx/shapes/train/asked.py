"""What the vision-language model is asked in training: questions and a description of scenes that are turned."""

from dataclasses import replace

import numpy as np

from mmx.shapes.descriptions import draw_description
from mmx.shapes.questions import Question, draw_question
from mmx.shapes.world import Scene

# Comparing and counting are learned last, so they are asked most.
_SHARES = {"beside": 0.28, "count": 0.30, "exists": 0.10, "color": 0.08, "shape": 0.08, "largest": 0.08, "place": 0.08}


def turned_scene(scene: Scene, quarters: int, mirrored: bool) -> Scene:
    """Where its things are in a picture that was turned by `mmx.shapes.train.pool.turned`; the ground stays."""
    things = list(scene.things)
    for _ in range(quarters % 4):
        things = [replace(thing, x=thing.y, y=1 - thing.x) for thing in things]
    if mirrored:
        things = [replace(thing, x=1 - thing.x) for thing in things]
    return replace(scene, things=tuple(things))


def draw_exchanges(scene: Scene, random: np.random.Generator, questions: int, describes: bool) -> list[Question]:
    """That many questions, and after them a description."""
    found: list[Question] = []
    while len(found) < questions:
        kind = str(random.choice(list(_SHARES), p=list(_SHARES.values())))
        try:
            found.append(_drawn(scene, random, kind))
        except LookupError:
            continue
    return [*found, draw_description(scene, int(random.integers(2**40)))] if describes else found


def _drawn(scene: Scene, random: np.random.Generator, kind: str) -> Question:
    """High counts are rare, so half the time the higher of two."""
    drawn = [draw_question(scene, int(random.integers(2**40)), kind)
             for _ in range(2 if kind == "count" and random.random() < 0.5 else 1)]
    return max(drawn, key=lambda question: len(question.evidence)) if len(drawn) > 1 else drawn[0]
