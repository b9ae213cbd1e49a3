"""Questions about a scene, each with its answer and the objects that the answer depends on.

The kinds: the colour of the one circle; the shape of the one blue thing; the colour and the shape of the largest
thing; is there a red circle; how many circles, blue things or things there are; which side a thing is on; is one thing
left or right of another.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmx.shapes.world import COLORS, SHAPES, Scene, Thing

ANSWERS = (*COLORS, *SHAPES, "yes", "no", *(str(n) for n in range(8)), "left", "right")

_LARGEST_BY = 1.2
_APART_BY = 0.08


@dataclass(frozen=True)
class Question:
    """`evidence`: indices of the scene's things that the answer depends on; none for "is there", answered no."""

    text: str
    answer: str
    kind: str
    evidence: tuple[int, ...]


Maker = Callable[[Scene, np.random.Generator], Question | None]


def draw_question(scene: Scene, seed: int, kind: str | None = None) -> Question:
    """One question that the scene answers without doubt; of the given kind, or None is raised as LookupError."""
    random = np.random.default_rng(seed)
    kinds = [kind] if kind else list(random.permutation(list(KINDS)))
    for name in kinds:
        question = KINDS[name](scene, random)
        if question is not None:
            return question
    raise LookupError(f"this scene has no question of kind {kind}")


def all_words() -> list[str]:
    """Every word and mark that a question can hold, sorted; the vocabulary of the shipped tokenizer."""
    texts = [phrase.format(a="", b="", things="") for phrases in _PHRASES.values() for phrase in phrases]
    words = {word for text in texts for word in text.replace("?", " ? ").split()}
    return sorted(words | {*COLORS, *SHAPES, *PLURALS.values(), "left", "right", "thing", "things", "object",
                           "objects"})


PLURALS = {"circle": "circles", "square": "squares", "triangle": "triangles", "star": "stars"}

_PHRASES = {
    "color": ("what color is the {a}?", "which color is the {a}?", "what is the color of the {a}?",
              "what colour is the {a}?"),
    "shape": ("what shape is the {a} thing?", "which shape is the {a} object?", "what is the {a} thing?",
              "what is the shape of the {a} thing?"),
    "largest color": ("what color is the largest thing?", "which color is the biggest object?",
                      "what is the color of the largest thing?"),
    "largest shape": ("what shape is the largest thing?", "which shape is the biggest object?",
                      "what is the shape of the largest thing?"),
    "exists": ("is there a {a}?", "do you see a {a}?", "is a {a} in the picture?"),
    "count": ("how many {things} are there?", "how many {things} do you see?",
              "how many {things} are in the picture?"),
    "place": ("which side is the {a} on?", "what side of the picture is the {a} on?"),
    "left": ("is the {a} left of the {b}?", "is the {a} to the left of the {b}?"),
    "right": ("is the {a} right of the {b}?", "is the {a} to the right of the {b}?"),
}


def _phrase(name: str, random: np.random.Generator, **parts: str) -> str:
    return str(random.choice(_PHRASES[name])).format(**parts)


def _alone(things: tuple[Thing, ...], value: Callable[[Thing], str]) -> list[int]:
    """Indices of the things whose value no other thing shares."""
    values = [value(thing) for thing in things]
    return [index for index, found in enumerate(values) if values.count(found) == 1]


def _color(scene: Scene, random: np.random.Generator) -> Question | None:
    choices = _alone(scene.things, lambda thing: thing.shape)
    if not choices:
        return None
    index = int(random.choice(choices))
    thing = scene.things[index]
    return Question(_phrase("color", random, a=thing.shape), thing.color, "color", (index,))


def _shape(scene: Scene, random: np.random.Generator) -> Question | None:
    choices = _alone(scene.things, lambda thing: thing.color)
    if not choices:
        return None
    index = int(random.choice(choices))
    thing = scene.things[index]
    return Question(_phrase("shape", random, a=thing.color), thing.shape, "shape", (index,))


def largest_thing(scene: Scene) -> int | None:
    """Index of the thing that is larger than all others without doubt, if there is one."""
    order = sorted(range(len(scene.things)), key=lambda index: scene.things[index].radius, reverse=True)
    largest, second = (scene.things[index] for index in order[:2])
    return order[0] if largest.radius >= _LARGEST_BY * second.radius else None


def _largest(scene: Scene, random: np.random.Generator) -> Question | None:
    index = largest_thing(scene)
    if index is None:
        return None
    largest = scene.things[index]
    if random.random() < 0.5:
        return Question(_phrase("largest color", random), largest.color, "largest", (index,))
    return Question(_phrase("largest shape", random), largest.shape, "largest", (index,))


def _exists(scene: Scene, random: np.random.Generator) -> Question:
    if random.random() < 0.5:
        name = str(random.choice([thing.name for thing in scene.things]))
    else:
        name = name_not_in(scene, random)
    evidence = tuple(index for index, thing in enumerate(scene.things) if thing.name == name)
    return Question(_phrase("exists", random, a=name), "yes" if evidence else "no", "exists", evidence)


def name_not_in(scene: Scene, random: np.random.Generator) -> str:
    """Half the time a colour and a shape that are there, on different things, so that binding them is needed."""
    present = {thing.name for thing in scene.things}
    near = sorted({f"{a.color} {b.shape}" for a in scene.things for b in scene.things} - present)
    if near and random.random() < 0.5:
        return str(random.choice(near))
    return str(random.choice(sorted({f"{color} {shape}" for color in COLORS for shape in SHAPES} - present)))


def _count(scene: Scene, random: np.random.Generator) -> Question:
    choice = random.random()
    if choice < 0.45:
        shape = str(random.choice(SHAPES))
        things, wanted = PLURALS[shape], [t.shape == shape for t in scene.things]
    elif choice < 0.9:
        color = str(random.choice(list(COLORS)))
        things, wanted = f"{color} things", [t.color == color for t in scene.things]
    else:
        things, wanted = str(random.choice(["things", "objects"])), [True] * len(scene.things)
    evidence = tuple(index for index, is_wanted in enumerate(wanted) if is_wanted)
    return Question(_phrase("count", random, things=things), str(len(evidence)), "count", evidence)


def _named(things: tuple[Thing, ...], random: np.random.Generator) -> dict[int, str]:
    """A name for each thing that only it bears, as short as "circle" or "blue thing" where that is enough."""
    names: dict[int, list[str]] = {}
    for describe in (lambda thing: thing.shape, lambda thing: f"{thing.color} thing", lambda thing: thing.name):
        for index in _alone(things, describe):
            names.setdefault(index, []).append(describe(things[index]))
    return {index: str(random.choice(found)) for index, found in names.items()}


def _place(scene: Scene, random: np.random.Generator) -> Question | None:
    names = {index: name for index, name in _named(scene.things, random).items()
             if abs(scene.things[index].x - 0.5) > _APART_BY}
    if not names:
        return None
    index = int(random.choice(list(names)))
    side = "left" if scene.things[index].x < 0.5 else "right"
    return Question(_phrase("place", random, a=names[index]), side, "place", (index,))


def _beside(scene: Scene, random: np.random.Generator) -> Question | None:
    names = _named(scene.things, random)
    pairs = [(i, j) for i in names for j in names if abs(scene.things[i].x - scene.things[j].x) > _APART_BY]
    if not pairs:
        return None
    i, j = pairs[int(random.integers(len(pairs)))]
    a, b = scene.things[i], scene.things[j]
    # Left more often than right: asked as often, side and place are an exclusive or, which is hardly learned.
    side = "left" if random.random() < 0.75 else "right"
    holds = a.x < b.x if side == "left" else a.x > b.x
    return Question(_phrase(side, random, a=names[i], b=names[j]), "yes" if holds else "no", "beside", (i, j))


KINDS: dict[str, Maker] = {"color": _color, "shape": _shape, "largest": _largest, "exists": _exists,
                           "count": _count, "place": _place, "beside": _beside}
