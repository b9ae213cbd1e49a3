"""Question files as people write them: good ones row by row, bad ones by the one line that says what is wrong."""

import json
from pathlib import Path

import pytest

from mmx.datasets.questions import QuestionRow, read_questions
from mmx.errors import UsageError


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_questions(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and len(message.splitlines()) == 1 and caught.value.hint
    return message.removeprefix(str(path))


def test_csv_gives_every_column_and_ignores_the_others(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", "id,image,note,question,target\n7,a.jpg,x,Is it red?,yes\n,/b.jpg,,What?,\n")
    assert read_questions(path) == [
        QuestionRow(tmp_path / "a.jpg", "Is it red?", "yes", 2, "7"),
        QuestionRow(Path("/b.jpg"), "What?", None, 3, None),
    ]


def test_pictures_are_looked_for_in_the_given_folder(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", "image,question\nsub/a.jpg,What?\n/abs/b.jpg,Why?\n")
    assert [row.image for row in read_questions(path, Path("pictures"))] == [
        Path("pictures/sub/a.jpg"),
        Path("/abs/b.jpg"),
    ]


def test_byte_order_mark_line_ends_case_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path, "Q.CSV", b"\xef\xbb\xbf\r\nImage, Question \r\n\r\n a.jpg , Was it \xc3\xbcber?\r\n,\r\n")
    assert read_questions(path) == [QuestionRow(tmp_path / "a.jpg", "Was it über?", None, 4, None)]


def test_quoted_cells_hold_commas_and_line_breaks_and_lines_count_on(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", 'image,question\na.jpg,"One,\ntwo ""and"" three?"\nb.jpg,What?\n')
    assert [(row.question, row.line) for row in read_questions(path)] == [('One,\ntwo "and" three?', 2), ("What?", 4)]


def test_tsv_is_parted_by_tabs(tmp_path: Path) -> None:
    path = written(tmp_path, "q.tsv", "image\tquestion\na.jpg\tRed, or blue?\n")
    assert read_questions(path)[0].question == "Red, or blue?"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.csv", "image,question,id\n,What?,1\na.jpg,,2\nb.jpg\n"),
        ("q.jsonl", '{"image": null, "question": "What?"}\n{"image": "a.jpg", "question": ""}\n'
         '{"image": "b.jpg", "question": " "}'),
    ],
)  # fmt: skip
def test_an_empty_cell_keeps_its_row(tmp_path: Path, name: str, content: str) -> None:
    rows = read_questions(written(tmp_path, name, content))
    assert [(row.image, row.question) for row in rows] == [
        (Path(), "What?"),
        (tmp_path / "a.jpg", ""),
        (tmp_path / "b.jpg", ""),
    ]


@pytest.mark.parametrize("name", ["q.jsonl", "q.ndjson", "q.json"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    first = '{"image": "a.jpg", "question": "A\u2028B?", "id": 262148000, "extra": [1]}'
    path = written(tmp_path, name, f'{first}\r\n\n{{"image": "/b.jpg", "question": "C?", "target": "no", "id": "x"}}')
    assert read_questions(path) == [
        QuestionRow(tmp_path / "a.jpg", "A\u2028B?", None, 1, "262148000"),
        QuestionRow(Path("/b.jpg"), "C?", "no", 3, "x"),
    ]


def test_json_array_with_the_line_of_each_item(tmp_path: Path) -> None:
    items = [{"image": f"{number}.jpg", "question": "[What, \n]?"} for number in range(3)]
    rows = read_questions(written(tmp_path, "q.json", "\n" + json.dumps(items, indent=1)))
    assert [(row.image.name, row.line) for row in rows] == [("0.jpg", 3), ("1.jpg", 7), ("2.jpg", 11)]


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("q.txt", "image,question", ["no known kind", ".csv", ".jsonl"]),
        ("q.csv", "", ["has no questions"]),
        ("q.csv", "image,question\n\n,\n", ["has no questions"]),
        ("q.json", "[]", ["has no questions"]),
        ("q.jsonl", "\n\n", ["has no questions"]),
        ("q.csv", "picture,question\na,b\n", ["line 1", "column 'image' is missing", "'picture', 'question'"]),
        ("q.csv", "image;question\n", ["line 1", "column 'image' is missing", "'image;question'"]),
        ("q.csv", "image,question\na.jpg,Red, or blue?\n", ["line 2", "3 cells, but 2 columns", "double quotes"]),
        ("q.csv", 'image,question\na.jpg,"Red?\nb.jpg,What?\n', ["line 2", "broken", "Close every double quote"]),
        ("q.csv", b"image,question\na.jpg,What?\nb.jpg,\xfcber\n", ["line 3", "0xfc", "UTF-8"]),
        ("q.jsonl", '{"image": "a", "question": "b"}\n{"image": \n', ["line 2", "broken JSON at column 11"]),
        ("q.jsonl", '["a"]', ["line 1", '["a"] is not an object']),
        ("q.json", '[\n["a", "b"]]', ["line 2", '["a", "b"] is not an object']),
        ("q.json", '[{"image": "a", "question": "b"},\n\n oops]', ["line 3", "broken JSON at column 2"]),
        ("q.jsonl", '\n{"image": "a", "text": "b"}', ["line 2", "'question' is missing", "'image', 'text'"]),
        ("q.jsonl", '{"image": "a", "question": 3}', ["line 1", "'question' is 3, not a text"]),
        ("q.jsonl", '{"image": ["a"], "question": "b"}', ["line 1", "'image' is [\"a\"], not a text"]),
        ("q.jsonl", '{"image": "a", "question": "b", "target": false}', ["line 1", "'target' is false, not a text"]),
        ("q.jsonl", '{"image": "a", "question": "b", "id": true}', ["line 1", "'id' is true, not a text"]),
        ("q.jsonl", "[" * 100_000, ["line 1", "unreadable JSON"]),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, content: str | bytes, parts: list[str]) -> None:
    message = refusal(written(tmp_path, name, content))
    assert [part for part in parts if part not in message] == []


def test_missing_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert "No such file" in refusal(tmp_path / "none.csv")
    assert "Is a directory" in refusal(tmp_path / "folder.csv")
