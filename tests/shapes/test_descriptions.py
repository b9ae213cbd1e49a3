"""Descriptions of a scene: their words, their order, and which thing each name is of."""

from dataclasses import replace

import pytest

from mmx.shapes.descriptions import MARKS, draw_description, names_in, things_described, words_of
from mmx.shapes.questions import KINDS, all_words
from mmx.shapes.world import COLORS, SHAPES, Scene, Thing, draw_scene


def thing(name: str, x: float) -> Thing:
    color, shape = name.split()
    return Thing(shape, color, x, 0.5, 0.1, 0.0, COLORS[color])


SCENE = Scene((thing("cyan triangle", 0.8), thing("yellow square", 0.2), thing("blue circle", 0.5)), 0)


def test_a_scene_is_described_from_left_to_right() -> None:
    found = draw_description(SCENE, 0)
    assert found.answer == "a yellow square, a blue circle and a cyan triangle."
    assert (found.kind, found.evidence) == ("describe", (1, 2, 0))
    two = replace(SCENE, things=SCENE.things[:2])
    assert draw_description(two, 0).answer == "a yellow square and a cyan triangle."


@pytest.mark.parametrize("number", range(40))
def test_every_scene_is_described_as_it_is(number: int) -> None:
    scene = draw_scene(number)
    found = draw_description(scene, number)
    assert things_described(scene, found.answer) == found.evidence
    assert names_in(found.answer) == [scene.things[index].name for index in found.evidence]
    assert {scene.things[index].x for index in found.evidence} == {thing.x for thing in scene.things}


def test_the_question_is_in_one_of_two_wordings_and_among_the_others_kinds_is_none_of_it() -> None:
    asked = {draw_description(SCENE, seed).text for seed in range(20)}
    assert asked == {"what do you see?", "what is in the picture?"}
    assert "describe" not in KINDS
    words = {word for text in asked for word in text.replace("?", " ?").split()}
    assert words <= set(all_words())
    assert set(words_of(draw_description(SCENE, 0).answer)) <= {*MARKS, *COLORS, *SHAPES}
    assert words_of("a red star, a blue star.") == ["a", "red", "star", ",", "a", "blue", "star", "."]


@pytest.mark.parametrize("text", [
    "a blue circle, a yellow square and a cyan triangle.", "a yellow square and a cyan triangle.",
    "a yellow square, a blue circle, a cyan triangle and a cyan triangle.", "",
    "a yellow square, a blue circle and a red triangle.", "a yellow square, a blue circle and a cyan triangle",
    "a yellow square a blue circle and a cyan triangle.",
])
def test_what_is_wrong_describes_no_scene(text: str) -> None:
    assert things_described(SCENE, text) is None


def test_two_that_are_nearly_above_each_other_may_be_named_either_way() -> None:
    near = Scene((thing("red star", 0.5), thing("blue star", 0.515), thing("red star", 0.9)), 0)
    assert things_described(near, "a red star, a blue star and a red star.") == (0, 1, 2)
    assert things_described(near, "a blue star, a red star and a red star.") == (1, 0, 2)
    assert things_described(near, "a red star, a red star and a blue star.") is None
