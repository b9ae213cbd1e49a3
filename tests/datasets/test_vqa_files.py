"""Questions with answers: LXMERT's entries, the official pair, and rows."""

import json
from pathlib import Path

import pytest

from mmx.datasets.vqa import read_vqa
from mmx.errors import UsageError


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


LXMERT = [{"question_id": 7, "img_id": "COCO_val2014_000000000009", "sent": "Is it?", "label": {"yes": 1, "no": 0.3}},
          {"question_id": 8, "img_id": "COCO_val2014_000000000009", "sent": "Why?", "label": {}}]
QUESTIONS = {"data_subtype": "val2014", "questions": [
    {"image_id": 9, "question": "Is it?", "question_id": 9000},
    {"image_id": 9, "question": "Why?", "question_id": 9001}]}
ANSWERS = {"annotations": [{"question_id": 9000, "answers": [{"answer": "Yes"}] * 9 + [{"answer": "no"}]}]}


def test_lxmerts_entries(tmp_path: Path) -> None:
    found = read_vqa(written(tmp_path, "valid.json", LXMERT))
    assert (found.kind, len(found.sha256)) == ("LXMERT's entries", 64)
    first, second = found.samples
    assert (first.id, first.image, first.question) == ("7", "COCO_val2014_000000000009", "Is it?")
    assert (first.truth.accuracy("no"), first.truth.accuracy("Yes"), second.truth.accuracy("")) == (0.3, 0, 0)


def test_the_official_pair_leaves_questions_without_answers_out(tmp_path: Path) -> None:
    found = read_vqa(written(tmp_path, "q.json", QUESTIONS), written(tmp_path, "a.json", ANSWERS))
    [sample] = found.samples
    assert (sample.id, sample.image) == ("9000", "COCO_val2014_000000000009")
    assert sample.truth.accuracy("yes") == 1 and sample.truth.accuracy("no") == pytest.approx(0.3)


@pytest.mark.parametrize(("name", "content"), [
    ("q.csv", "image,question,answer,id\na.png,Is it?,Yes,x\n"),
    ("q.tsv", "image\tquestion\tanswer\tid\na.png\tIs it?\tYes\tx\n"),
    ("q.jsonl", '{"image": "a.png", "question": "Is it?", "answer": "Yes", "id": "x"}\n'),
    ("q.json", '[{"image": "a.png", "question": "Is it?", "answers": ["Yes"], "id": "x"}]'),
    ("q.ndjson", '{"image": "a.png", "question": "Is it?", "answers": {"yes": 1.0}, "id": "x"}'),
    ("r.csv", "image,question,answers,id\na.png,Is it?,yes|yes|yes|yes|no,x\n"),
    ("s.csv", 'image,question,answers,id\na.png,Is it?,"[""yes"", ""yes"", ""yes"", ""yes"", ""no""]",x\n'),
    ("q.json", [{"image": "a.png", "question": "Is it?", "answers": [{"answer": "yes"}] * 10, "id": "x"}]),
    ("q.json", [{"image": "a.png", "question": "Is it?", "answer": {"answer": "Yes"}, "id": "x"}]),
])
def test_rows(tmp_path: Path, name: str, content: object) -> None:
    [sample] = read_vqa(written(tmp_path, name, content)).samples
    assert (sample.id, sample.image, sample.path) == ("x", "a", tmp_path / "a.png")
    assert sample.truth.accuracy("yes") == 1 and sample.truth.accuracy("perhaps") == 0


def test_vizwiz_s_own_file(tmp_path: Path) -> None:
    said = ["cola"] * 3 + ["coca cola"] * 6 + ["unanswerable"]
    [sample] = read_vqa(written(tmp_path, "val.json", [
        {"image": "VizWiz_val_00000028.jpg", "question": "What is it?", "answer_type": "other", "answerable": 1,
         "answers": [{"answer": one, "answer_confidence": "yes"} for one in said]}])).samples
    assert [sample.truth.accuracy(one) for one in ("cola", "coca cola", "unanswerable", "tea")] == pytest.approx(
        [0.9, 1, 0.3, 0])
    assert sample.image == "VizWiz_val_00000028"


@pytest.mark.parametrize(("more", "image_id", "name"), [
    ({"data_type": "mscoco", "data_subtype": "val2014"}, 9, "COCO_val2014_000000000009"),
    ({"data_type": "mscoco", "data_subtype": "val2014"}, 9.0, "COCO_val2014_000000000009"),
    ({"data_type": "abstract_v002", "data_subtype": "val2015"}, 20010, "abstract_v002_val2015_000000020010"),
    ({"data_type": "abstract_v002", "data_subtype": None}, 20010, "20010"), ({}, "x-1", "x-1"),
])
def test_pictures_of_the_official_pair_by_their_files_names(tmp_path: Path, more: dict, image_id: object,
                                                            name: str) -> None:
    questions = {**more, "questions": [{"image_id": image_id, "question": "Is it?", "question_id": 9000}]}
    [sample] = read_vqa(written(tmp_path, "q.json", questions), written(tmp_path, "a.json", ANSWERS)).samples
    assert sample.image == name


def test_one_answer_in_the_official_pair_counts_in_full(tmp_path: Path) -> None:
    answers = {"annotations": [{"question_id": 9000, "answers": ["Yes"]}]}
    [sample] = read_vqa(written(tmp_path, "q.json", {**QUESTIONS}), written(tmp_path, "a.json", answers)).samples
    assert sample.truth.accuracy("yes") == 1


@pytest.mark.parametrize(("name", "content", "said"), [
    ("q.json", [{"image": "a", "question": "b", "answers": [{"text": "red"}]}],
     "q.json, line 1, answers: {'text': 'red'} is no answer"),
    ("q.jsonl", '{"image": "a", "question": "b", "answer": "c"}\n{"image": "a", "question": "b", "answer": true}',
     "q.jsonl, line 2, answer: True is no answer"),
    ("q.csv", "image,question,answers\na,b,\"['red', 'red']\"\n",
     "q.csv, line 2, answers: '['red', 'red']' is no list"),
    ("q.json", [{"question_id": 1, "img_id": "a", "sent": "b", "label": {"red": 3}}],
     "q.json, entry 1, label: the score of 'red' is 3"),
    ("q.json", [{"question_id": 1, "img_id": "a", "sent": "b", "label": ["red"]}],
     "q.json, entry 1, label: ['red'] does not map answers to scores"),
])
def test_answers_that_are_none_are_refused_by_file_row_and_field(tmp_path: Path, name: str, content: object,
                                                                 said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_vqa(written(tmp_path, name, content))
    assert said in caught.value.message
    answers = {"annotations": [{"question_id": 7, "answers": [{"text": "red"}]}]}
    with pytest.raises(UsageError, match=r"a\.json, question 7, answers: .* is no answer"):
        read_vqa(written(tmp_path, "q.json", QUESTIONS), written(tmp_path, "a.json", answers))


def test_rows_look_for_pictures_where_they_are_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", "image,question,answer\na.png,Is it?,Yes\n")
    assert read_vqa(path, images=Path("elsewhere")).samples[0].path == Path("elsewhere/a.png")


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.json", ANSWERS, "holds VQA's answers, without the questions"), ("q.json", QUESTIONS, "without the answers"),
    ("q.json", "{", "broken JSON"), ("q.json", [{"sent": "Is it?"}], "cannot be read as LXMERT's entries"),
    ("q.csv", "image,question\na.png,Is it?\n", "line 2: image, question or answer is missing"),
    ("q.csv", "image,question,answer\na.png,,yes\n", "line 2: image, question or answer is missing"),
    ("q.csv", "question,answer\nIs it?,yes\n", "'image' is missing"), ("q.txt", "x", "no known kind"),
    ("q.json", [], "has no questions"),
])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_vqa(written(tmp_path, name, content))
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_annotations_go_with_the_official_questions_alone(tmp_path: Path) -> None:
    answers = written(tmp_path, "a.json", ANSWERS)
    with pytest.raises(UsageError, match="goes with VQA's questions"):
        read_vqa(written(tmp_path, "valid.json", LXMERT), answers)
    with pytest.raises(UsageError, match=r"absent.json cannot be read"):
        read_vqa(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="cannot be read as the official"):
        read_vqa(written(tmp_path, "q.json", QUESTIONS), written(tmp_path, "b.json", {"annotations": [{}]}))


def test_real_files(shared: Path) -> None:
    data = shared / "realdata"
    lxmert = read_vqa(data / "lxmert/vqa/valid.json")
    assert len(lxmert.samples) == 3303 and lxmert.samples[0].truth.accuracy("1") == 1
    official = read_vqa(data / "vqa/official_allennlp/questions.json", data / "vqa/official_allennlp/annotations.json")
    assert [sample.image for sample in official.samples] == ["COCO_train2014_000000458752"] * 3
