"""Scores by their units, and results in a few words."""

from dataclasses import replace

import numpy as np
import pytest
from by_hand import ANSWERS, explanation_of, words_of

from mmx.results import Asked, Item, Patches, Prediction, Region, Regions
from mmx.show import wording


def told(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (1.0, "1"), (0.04149, "0.041"), (1234.5, "1200"), (-0.0333, "\u22120.033"), (1.23e-7, "1.2e\u221207")],
)
def test_numbers_have_two_significant_digits(value: float, written: str) -> None:
    assert wording.number(value) == written


@pytest.mark.parametrize(
    ("share", "written"), [(0.0, "0 %"), (0.004, "< 1 %"), (0.97, "97 %"), (0.9991, "> 99 %"), (1.0, "100 %")]
)
def test_percent_is_never_rounded_to_certainty(share: float, written: str) -> None:
    assert told(wording.percent(share)) == written


@pytest.mark.parametrize(("score", "unit", "written"), [
    (0.98, "softmax", "98 %"), (0.3, "sigmoid", "30 %"), (0.268, "similarity", "similarity 0.27"),
    (-0.001, "similarity", "similarity 0.00"), (-0.1, "similarity", "similarity \u22120.10"),
    (3.21, "logit", "logit 3.21"), (-1.63, "logit", "logit \u22121.63"), (42.37, "value", "42.37"),
    (1234.5678, "value", "1235")])
def test_a_score_is_told_by_its_unit(score: float, unit: str, written: str) -> None:
    assert told(wording.score_in_words(score, unit)) == written  # type: ignore[arg-type]


def test_titles(texts, classes, detections) -> None:
    both, alone = texts(), texts("a red circle")
    assert told(wording.title(both[0], both.asked)) == "a red circle: similarity 0.27, softmax 83 %"
    assert told(wording.title(both[0], both.asked, named=False)) == "similarity 0.27, softmax 83 %"
    assert told(wording.title(alone[0], alone.asked)) == "a red circle: similarity 0.27"
    probable = texts("a red circle", also={"sigmoid": 0.02})
    assert told(wording.title(probable[0], probable.asked, named=False)) == "similarity 0.27, sigmoid 2 %"
    assert told(wording.title(classes()[0], Asked())) == "cat 0 80 %"
    age = classes(unit="value", score=42.0, label="years")
    assert wording.title(age[0], Asked()) == "years 42"
    assert told(wording.title(detections()[1], Asked())) == "cat 89 % (query 11)"


@pytest.mark.parametrize(("seen", "blank", "words"), [
    (-0.5, -3.7, "needs the picture: \u22123.2 nats without it"), (-0.5, -0.59, "hardly needs the picture"),
    (-0.59, -0.5, "hardly needs the picture"), (-2.0, -0.5, "more probable without the picture: +1.5 nats"),
    (-0.5, None, ""), (None, None, "")])
def test_whether_a_word_needs_the_picture(seen: float | None, blank: float | None, words: str) -> None:
    word = Item("word", 1, "cat", 0.6, "softmax", log_probability=seen, log_probability_without_picture=blank)
    assert told(wording.need_of_picture(word)) == words


def test_relevance_on_sinks_is_told_where_there_are_patches() -> None:
    text, grid = words_of("a cat"), Patches(3, 3, (0, 0, 64, 48))
    scores = {"text": np.array([1, 1, 2, 0.0]), "image": np.array([1, 0, 0, 0, 1, 0, 0, 0, 0.0])}
    item = Item("text", 0, "a cat", 0.27, "similarity", scores)
    both = explanation_of((item,), Asked(), (64, 48), elements={"text": (text,), "image": (grid,)})
    assert {what: told(share) for what, share in wording.on_sinks(both, item).items()} == {
        "first token": "25 %", "border": "50 %"}
    text_alone = replace(item, scores={"text": scores["text"]})
    assert wording.on_sinks(replace(both, items=(text_alone,)), text_alone) == {}
    nothing = replace(item, scores={"text": scores["text"], "image": np.zeros(9)})
    assert wording.on_sinks(replace(both, items=(nothing,)), nothing).keys() == {"first token"}


@pytest.mark.parametrize(("count", "asked", "words"), [
    (2, Asked(threshold=0.5), "2 detections over 50 %"), (1, Asked(threshold=0.125), "1 detection over 12.5 %"),
    (0, Asked(threshold=0.5, class_name="cat"), "no detection of cat over 50 %"), (1, Asked(queries=(4,)), "query 4"),
    (3, Asked(queries=(4, 2, 9), class_name="dog"), "queries 4, 2 and 9 as dog"),
    (2, Asked(threshold=0.0), "2 detections over 0 %")])
def test_detections_are_counted_as_they_were_asked_for(detections, count: int, asked: Asked, words: str) -> None:
    assert told(wording.counted(detections(count, asked=asked))) == words


def test_other_items_are_counted_by_kind(texts, classes, answer) -> None:
    assert [wording.counted(one) for one in (texts(), texts("a"), classes(1), classes(2), answer())] == [
        "2 texts", "1 text", "1 class", "2 classes", "1 answer"]
    mixed = replace(classes(1), items=(*classes(1).items, *texts().items))
    assert wording.counted(mixed) == "1 class and 2 texts"


def test_answer_lines(answer) -> None:
    assert tuple(map(told, wording.answer_lines(answer()))) == ("Answer: cat (80 %)", "then dog (15 %), cow (4 %)")
    other = answer(target=1)
    assert tuple(map(told, wording.answer_lines(other))) == (
        "Explained: dog (15 %)", "Predicted: cat (80 %), then cow (4 %)")
    assert tuple(map(told, wording.answer_lines(answer(predictions=())))) == ("Answer: cat (80 %)", "")
    several = replace(answer(), items=(*other.items, *answer().items))
    assert told(wording.answer_lines(several)[0]) == "Answer: cat (80 %)"
    assert wording.answer_lines(replace(answer(), items=(), predictions=())) == ("", "")


def test_answers_in_short(answer) -> None:
    assert wording.plain(wording.answer_in_short(answer())) == "cat 80 %"
    assert wording.plain(wording.answer_in_short(answer(target=1))) == "dog 15 % (answers cat 80 %)"
    assert wording.plain(wording.runners_up(answer())) == "then dog 15 %, cow 4 %"
    certain = answer(predictions=(ANSWERS[0], Prediction(1, "no", 0.0, "softmax")))
    assert wording.runners_up(certain) == ""
    ranked = answer(predictions=(ANSWERS[0], Prediction(1, "no", -2.5, "logit")))
    assert wording.plain(wording.runners_up(ranked)) == "then no logit -2.5"


def test_what_is_predicted_is_told_where_it_is_not_explained(classes, texts, answer) -> None:
    assert told(wording.most_probable(classes())) == "Most probable: cat 0 80 %, dog 15 %"
    assert told(wording.most_probable(classes(unit="logit"))) == "Predicted: cat 0 logit 0.8, dog logit 0.15"
    assert wording.most_probable(texts()) == wording.most_probable(answer()) == ""


def test_probabilities_of_their_own_are_told_as_such(classes) -> None:
    assert "need not make 100 %" in wording.units_told(classes(unit="sigmoid"))
    assert wording.units_told(classes()) == ""


def test_the_surest_others(detections) -> None:
    assert told(wording.surest_others(detections())) == "dog 31 % (query 3)"
    assert wording.surest_others(detections(others=())) == ""
    assert wording.surest_others(detections(others=detections().others * 5)).count("dog") == 3


@pytest.mark.parametrize(("starts", "words"), [
    ({"image": 0}, ""), ({"image": -1}, "last layer only"), ({"image": 3}, "image layers from 3 on"),
    ({"image": -1, "text": -1}, "last layer of each stream"), ({"image": 0, "text": 0}, "all layers of each stream"),
    ({"image": 0, "text": -1}, "all image layers, last text layer"),
    ({"image": 2, "text": -2}, "image layers from 2 on, text layers from -2 on"), ({}, "")])
def test_which_layers_were_read(starts: dict[str, int], words: str) -> None:
    assert wording.layers_read(Asked(start_layers=starts)) == words


def test_top_words(answer, joint, detections) -> None:
    one = answer("is it red", text=[9, 1, 0.04149, -2, 9])
    assert wording.plain(wording.top_words(one, one[0])) == "red -2, is 1, it 0.041"
    assert wording.top_words(one, one[0], with_scores=False) == "red, is, it"
    silent = answer("is it", text=[9, 0, 0, 9])
    assert wording.top_words(silent, silent[0]) == "none: every score is 0"
    mixed = joint("is it")
    assert wording.top_words(mixed, mixed[0], with_scores=False) == "it, is"
    assert wording.top_words(detections(), detections()[0]) == ""


def test_a_stream_of_words_without_relevance_is_left_out_beside_another(written) -> None:
    one = written()
    assert [wording.top_words(one, item, with_scores=False) for item in one.items[:2]] == [
        "text: ?, it, is", "text: ?, it, is; answer: a"]
    assert wording.called(one[1], one) == "red"
    assert wording.called(written(whole=True)[5], one) == "whole answer"


def test_top_regions(answer, joint) -> None:
    one = answer(boxes=[(0, 0, 9, 9), (30, 40, 34, 48), (0, 0, 1, 1)], image=[0.5, 1, 0], labels=(None, "dog", "x"))
    assert wording.top_regions(one, one[0]) == "1 dog 1, 2 upper left 0.5"
    assert wording.top_regions(one, one[0], with_scores=False) == "1 dog, 2 upper left"
    assert wording.top_regions(joint(), joint()[0]) == ""


def test_ranking_leaves_out_what_is_zero() -> None:
    assert wording.ranked(np.array([0.1, -0.9, 0.5, 0.0])) == [1, 2, 0]
    assert wording.ranked(np.zeros(4)) == wording.ranked(np.zeros(0)) == []
    regions = Regions(tuple(Region((0, 0, 1, 1), label) for label in ("a", "b", None, "d")))
    words = wording.region_ranking(regions, np.array([0.1, -0.9, 0.512, 0.0]), (30, 30))
    assert words == "1 b \u22120.9, 2 upper left 0.51, 3 a 0.1"


@pytest.mark.parametrize(("box", "words"), [
    ((0, 0, 10, 10), "upper left"), ((40, 40, 50, 50), "middle"), ((80, 45, 99, 55), "middle right"),
    ((40, 0, 60, 9), "upper middle"), ((200, 200, 300, 300), "lower right")])
def test_places(box: tuple[float, float, float, float], words: str) -> None:
    assert wording.place(box, (100, 100)) == words


def test_where_the_strongest_patch_lies(classes, answer) -> None:
    grid = {"image": (Patches(4, 5, (0.0, 0.0, 64.0, 48.0)),)}
    scores = np.zeros(20)
    scores[19] = 1
    one = classes(elements=grid, image=scores)
    assert wording.top_patch(one, one[0]) == "lower right"
    silent = classes(elements=grid, image=np.zeros(20))
    assert wording.top_patch(silent, silent[0]) == "none: every score is 0"
    assert wording.top_patch(answer(), answer()[0]) == ""


def test_a_file_is_named_as_it_may_be_printed(answer) -> None:
    one = answer()
    for source, name in (("a/b\nc.jpg", r"'b\nc.jpg'"), ("https://x.org/cat/", "cat"), ("", "")):
        assert wording.file_name(replace(one, pictures=(replace(one.picture, source=source),))) == name
    assert wording.file_name(replace(one, pictures=())) == ""


def test_an_item_without_a_name_is_told_by_its_score() -> None:
    assert told(wording.in_words(Item("class", 0, "", 0.5, "softmax"))) == "50 %"
