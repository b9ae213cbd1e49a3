"""Questions and answers in files (tables, LXMERT's, VQA's): odd values, missing ones, damaged text. They are read, or
refused in one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import damaged_bytes, damaged_json

from mmx.datasets.questions import read_questions
from mmx.datasets.vqa import read_vqa
from mmx.errors import UsageError

TABLE = (b'image,question,answer,target,id\n"a,b.png","is there a ""red"" star?",yes,no,1\n'
         b"c.png,what color?,red|blue,,2\n")
ROWS = [{"image": "a.png", "question": "red?", "answers": ["yes", "no"], "target": "no", "id": "1"}]
LXMERT = [{"question_id": 1, "img_id": "COCO_val2014_000000262148", "sent": "red?", "label": {"yes": 0.9}}]
ASKED = {"data_subtype": "val2014", "questions": [{"question_id": 1, "image_id": 262148, "question": "red?"}]}
ANSWERED = {"annotations": [{"question_id": 1, "answers": [{"answer": "yes", "answer_confidence": "yes"}]}]}


def attacks() -> Iterator[tuple[str, dict[str, bytes]]]:
    for seed, ending in enumerate(("csv", "tsv")):
        content = TABLE if ending == "csv" else TABLE.replace(b",", b"\t")
        yield from ((f"{ending} {how}", {f"q.{ending}": one}) for how, one in damaged_bytes(content, seed))
    for name, document in {"rows": ROWS, "lxmert": LXMERT}.items():
        yield from ((f"{name} {how}", {"q.json": one}) for how, one in damaged_json(document))
    yield from ((f"jsonl {how}", {"q.jsonl": one}) for how, one in damaged_json(ROWS[0]))
    answers = json.dumps(ANSWERED).encode()
    yield from ((f"vqa {how}", {"q.json": one, "a.json": answers}) for how, one in damaged_json(ASKED))
    questions = json.dumps(ASKED).encode()
    yield from ((f"answers {how}", {"q.json": questions, "a.json": one}) for how, one in damaged_json(ANSWERED))


ATTACKS = dict(attacks())


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file_is_read_or_refused(attack: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    for name, content in ATTACKS[attack].items():
        (tmp_path / name).write_bytes(content)
    [path], answers = list(tmp_path.glob("q.*")), tmp_path / "a.json"
    for read in (lambda: read_questions(path), lambda: read_vqa(path, answers if answers.exists() else None)):
        try:
            read()
        except UsageError as error:
            assert "\n" not in str(error)
            assert any(name in str(error) for name in (path.name, "a.json", "annotations"))
    assert capfd.readouterr() == ("", "")
