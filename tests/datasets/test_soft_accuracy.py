"""VQA's soft accuracy, against the official formula by hand and LXMERT's own labels."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mmx.datasets.soft_accuracy import official_form, truth_of, truth_of_one, truth_of_people


def official(count: int, people: int = 10) -> float:
    """The mean over the people left out, person by person."""
    answers = ["yes"] * count + ["no"] * (people - count)
    return sum(min(1, (answers[:i] + answers[i + 1:]).count("yes") / 3) for i in range(people)) / people


@pytest.mark.parametrize("count", range(11))
def test_by_how_many_of_ten_agree(count: int) -> None:
    truth = truth_of_people(["yes"] * count + ["no"] * (10 - count))
    assert truth.accuracy("yes") == pytest.approx(official(count))
    assert official(4) == 1 and official(3) == pytest.approx(0.9) and official(1) == pytest.approx(0.3)


@pytest.mark.parametrize(("given", "form"), [
    ("The Cat", "cat"), ("a dog.", "dog"), ("two", "2"), ("None", "0"), ("dont know", "don't know"),
    ("1,000", "1000"), ("1.5", "1.5"), ("red/white", "red white"), ("red / white", "red white"), ("t-shirt", "t shirt"),
    ("what?!", "what"), ("thats", "that's"), ("couldntve", "couldntve"), ("couldn'tve", "couldn't've"),
    ("on  the\ttable\n", "on table"), ("yes, sir", "yes sir"), ("9:30", "9:30"), ("", ""),
])
def test_answers_come_into_one_form(given: str, form: str) -> None:
    assert official_form(given) == form


def test_people_who_all_say_the_same_are_taken_at_their_word() -> None:
    assert truth_of_people(["The Cat"] * 10).accuracy("cat") == 0
    assert truth_of_people([" The Cat\n"] * 10).accuracy("The Cat") == 1
    assert truth_of_people(["The Cat"] * 9 + ["dog"]).accuracy("a cat") == 1


def test_one_right_answer_in_any_case() -> None:
    truth = truth_of_one(" Yes ")
    assert (truth.accuracy("yes"), truth.accuracy("YES"), truth.accuracy("no")) == (1, 1, 0)


PEOPLE = ["red"] * 3 + ["blue"] + ["pink"] * 6


@pytest.mark.parametrize("answers", [
    PEOPLE, tuple(PEOPLE), np.array(PEOPLE), [{"answer": one} for one in PEOPLE],
    [{"answer": one, "answer_confidence": "yes", "answer_id": 7} for one in PEOPLE],
    [*PEOPLE[:5], *({"answer": one} for one in PEOPLE[5:])],
])
def test_several_people_s_answers_in_any_form(answers: object) -> None:
    truth = truth_of(answers)
    assert [truth.accuracy(one) for one in ("red", "blue", "pink", "green")] == pytest.approx([0.9, 0.3, 1, 0])


@pytest.mark.parametrize("answer", [
    "Red", ["Red"], {"answer": "Red"}, [{"answer": "red"}], {"answer": "red", "answer_confidence": "maybe"}])
def test_one_answer_in_any_form(answer: object) -> None:
    assert (truth_of(answer).accuracy("red"), truth_of(answer).accuracy("answer")) == (1, 0)


@pytest.mark.parametrize("answers", [
    {"red": 1, "blue": 0.3}, [{"answer": "red", "score": 1}, {"answer": "blue", "score": 0.3}]])
def test_scores_of_answers(answers: object) -> None:
    assert [truth_of(answers).accuracy(one) for one in ("red", "blue", "x")] == [1, 0.3, 0]


@pytest.mark.parametrize("answer", [2, 2.0, "2", {"answer": 2}, [2], np.int64(2)])
def test_numbers_as_answers(answer: object) -> None:
    assert truth_of(answer).accuracy("2") == 1


def test_an_answer_that_is_called_as_its_field() -> None:
    assert truth_of({"answer": 0.3, "yes": 1}).accuracy("answer") == 0.3


@pytest.mark.parametrize(("answers", "why"), [
    (None, "None is no answer"), (True, "True is no answer"), ([["red"]], "is no answer"), ([None], "is no answer"),
    ([], "there is no answer"), ([""], "there is no answer"), ([{}], "{} is no answer"), (float("nan"), "no answer"),
    ([{"text": "red"}], "{'text': 'red'} is no answer"), ({"answer": ["red"]}, "is no answer"),
    ({"text": "red"}, "the score of 'text' is 'red'"), ({"red": 7, "blue": 3}, "the score of 'red' is 7, not"),
    ({"red": float("nan")}, "is nan"), ({"red": True}, "is True"), ({"red": -0.1}, "is -0.1"),
    ([{"answer": "red", "score": "high"}], "the score of 'red' is 'high'"),
])
def test_what_is_no_answer_is_refused(answers: object, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        truth_of(answers)


def test_lxmerts_labels_are_the_official_accuracy(shared: Path) -> None:
    """Its entries for two photographs, out of the ten answers to the same questions elsewhere in the real data."""
    labels = {one["question_id"]: one["label"] for one in json.loads(
        (shared / "realdata/lxmert/vqa/valid.json").read_text())}
    known = {answer for answer in json.loads((shared / "realdata/lxmert/vqa/trainval_label2ans.json").read_text())}
    for path in ("derived/v2_mscoco_train2014_annotations.photos_here.json",
                 "vqa/official_first100/v2_mscoco_val2014_annotations.first100.json"):
        for one in json.loads((shared / "realdata" / path).read_text())["annotations"]:
            truth = truth_of_people([person["answer"] for person in one["answers"]])
            best = max(truth.scores.values())
            assert 0.3 <= best <= 1
            assert truth.accuracy(one["multiple_choice_answer"]) == pytest.approx(best)
            for answer, score in labels.get(one["question_id"], {}).items():
                assert answer in known and truth.accuracy(answer) == pytest.approx(score)
