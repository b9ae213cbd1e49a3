"""Every question's answer and evidence, found a second time from the question's words and the scene alone."""

import re

import numpy as np
import pytest

from mmx.shapes.questions import ANSWERS, KINDS, Question, all_words, draw_question
from mmx.shapes.world import COLORS, SHAPES, Scene, Thing, draw_scene

COLOR, SHAPE = "|".join(COLORS), "|".join(SHAPES)
NAME = f"(?:{COLOR}) (?:{SHAPE})"
CALLED = f"{NAME}|{SHAPE}|(?:{COLOR}) thing"


def draw_questions(scene: Scene, seed: int, count: int) -> list[Question]:
    return [draw_question(scene, seed * 1000 + index) for index in range(count)]


DRAWN = [(scene, question) for seed in range(120) for scene in [draw_scene(seed)]
         for question in draw_questions(scene, seed, 6)]


def one(scene: Scene, wanted: str) -> int:
    """The index of the only thing that is called so, by its shape, its colour or both."""
    word = wanted.removesuffix(" thing")
    [index] = [i for i, thing in enumerate(scene.things) if word in (thing.shape, thing.color, thing.name)]
    return index


def counted(scene: Scene, wanted: str) -> set[int]:
    if wanted in ("things", "objects"):
        return set(range(len(scene.things)))
    word = wanted.removesuffix(" things").removesuffix("s") if wanted not in COLORS else wanted
    return {i for i, thing in enumerate(scene.things) if word in (thing.shape, thing.color)}


def understood(scene: Scene, text: str) -> tuple[str, str, set[int]]:
    """Kind, answer and evidence."""
    if re.search("largest|biggest", text):
        radii = [thing.radius for thing in scene.things]
        index = int(np.argmax(radii))
        assert radii[index] >= 1.2 * sorted(radii)[-2]
        return "largest", scene.things[index].color if "color" in text else scene.things[index].shape, {index}
    if found := re.fullmatch(f"(?:which side|what side of the picture) is the ({CALLED}) on\\?", text):
        index = one(scene, found[1])
        assert abs(scene.things[index].x - 0.5) > 0.08
        return "place", "left" if scene.things[index].x < 0.5 else "right", {index}
    if found := re.fullmatch(f"is the ({CALLED}) (?:to the )?(left|right) of the ({CALLED})\\?", text):
        a, b = one(scene, found[1]), one(scene, found[3])
        gap = scene.things[a].x - scene.things[b].x
        assert abs(gap) > 0.08
        return "beside", "yes" if (gap < 0) == (found[2] == "left") else "no", {a, b}
    if found := re.fullmatch(f"(?:is there a|do you see a|is a) ({NAME})(?: in the picture)?\\?", text):
        there = {i for i, thing in enumerate(scene.things) if thing.name == found[1]}
        return "exists", "yes" if there else "no", there
    if found := re.fullmatch(r"how many (.+?) (?:are there|do you see|are in the picture)\?", text):
        evidence = counted(scene, found[1])
        return "count", str(len(evidence)), evidence
    if re.search("colou?r", text):
        [shape] = re.findall(SHAPE, text)
        return "color", scene.things[one(scene, shape)].color, {one(scene, shape)}
    [color] = re.findall(COLOR, text)
    return "shape", scene.things[one(scene, color)].shape, {one(scene, color)}


def test_every_answer_and_its_evidence_follow_from_the_scene() -> None:
    for scene, question in DRAWN:
        kind, answer, evidence = understood(scene, question.text)
        assert (question.kind, question.answer, set(question.evidence)) == (kind, answer, evidence), question
        assert len(question.evidence) == len(evidence)


def test_questions_are_words_of_the_vocabulary_and_answers_of_the_list() -> None:
    vocabulary = set(all_words())
    for _, question in DRAWN:
        assert set(question.text.replace("?", " ? ").split()) <= vocabulary
        assert question.text.endswith("?")
        assert question.answer in ANSWERS
    assert all_words() == sorted(vocabulary)
    assert len(set(ANSWERS)) == len(ANSWERS)


def test_no_word_of_the_vocabulary_is_never_used() -> None:
    used = {word for _, question in DRAWN for word in question.text.replace("?", " ? ").split()}
    assert set(all_words()) == used


def test_every_kind_and_answer_occurs_and_yes_is_no_better_a_guess_than_no() -> None:
    assert {question.kind for _, question in DRAWN} == set(KINDS)
    answers = [question.answer for _, question in DRAWN]
    assert set(answers) >= set(ANSWERS) - {"6", "7"}
    for kind in ("exists", "beside"):
        yes = [question.answer == "yes" for _, question in DRAWN if question.kind == kind]
        assert 0.35 < np.mean(yes) < 0.65


def test_things_that_are_not_there_are_often_made_of_parts_that_are() -> None:
    near = []
    for scene, question in DRAWN:
        if question.kind == "exists" and question.answer == "no":
            [(color, shape)] = re.findall(f"({COLOR}) ({SHAPE})", question.text)
            near.append(color in {t.color for t in scene.things} and shape in {t.shape for t in scene.things})
    assert 0.4 < np.mean(near) < 0.95


def test_a_seed_is_one_question() -> None:
    scene = draw_scene(5)
    assert draw_questions(scene, 5, 8) == draw_questions(scene, 5, 8)
    assert draw_questions(scene, 5, 8) != draw_questions(scene, 6, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_asked_for_is_given(kind: str) -> None:
    given = [one for seed in range(30) if (one := drawn_or_none(draw_scene(seed), seed, kind)) is not None]
    assert given
    assert {question.kind for question in given} == {kind}


def drawn_or_none(scene: Scene, seed: int, kind: str) -> Question | None:
    try:
        return draw_question(scene, seed, kind)
    except LookupError:
        return None


@pytest.mark.parametrize("kind", ["color", "shape", "largest", "place", "beside"])
def test_a_scene_that_leaves_doubt_has_no_such_question(kind: str) -> None:
    twins = tuple(Thing("circle", "red", x, 0.5, 0.1, 0.0, COLORS["red"]) for x in (0.2, 0.8))
    with pytest.raises(LookupError, match=f"no question of kind {kind}"):
        draw_question(Scene(twins, 0), 0, kind)
    assert draw_question(Scene(twins, 0), 0).kind in ("exists", "count")
