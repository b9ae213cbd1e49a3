"""`mmx.perturb` and `mmx.compare` as Python calls them."""

import csv
import json
import tempfile
from pathlib import Path

import pytest
from noise import noise
from PIL import Image
from recorder import Recorder

import mmx
from mmx.errors import MmxError, UsageError
from mmx.model import Model
from mmx.studies.perturb.records import PerturbationTest
from mmx.studies.perturb.study import PerturbationStudy

FILES = ("summary.json", "summary.csv", "curves.png", "curves.pdf", "records.0-of-1.jsonl", "run.json")
QUESTIONS = ("what color is the circle?", "what is red?", "is the circle red?")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tiny_lxmert: Path) -> Model:
    return mmx.load(tiny_lxmert)


@pytest.fixture
def rows(tmp_path: Path) -> list[dict]:
    """Six questions about pictures in memory and in files."""
    pictures = [noise((60, 40), 20 + 20 * number) for number in range(6)]
    pictures[5].save(tmp_path / "5.png")
    return [{"image": tmp_path / "5.png" if number == 5 else picture, "question": QUESTIONS[number % 3],
             "answer": ("red", "blue")[number % 2], "id": f"q{number}"} for number, picture in enumerate(pictures)]


def perturbed(model: Model, rows: list[dict], **changed: object) -> PerturbationStudy:
    return mmx.perturb(model, rows, **{"methods": ["relevance", "rollout"], "cache": False, "steps": [0, 0.5, 1],
                                       "batch_size": 2, **changed})


def test_rows_are_the_summary_in_long_form(model: Model, rows: list[dict]) -> None:
    study = perturbed(model, rows)
    found, table = study.to_dict(), study.rows()
    assert len(table) == 2 * 2 * 2 * 3 and all(tuple(row) == study.columns for row in table)
    for row in table:
        curve = found["panels"][row["modality"]][row["sign"]]["methods"][row["method"]]
        assert curve["accuracy"][row["step"]] == {"mean": row["accuracy"], "low": row["low"], "high": row["high"]}
        assert curve["auc"] == {"mean": row["auc"], "low": row["auc_low"], "high": row["auc_high"]}
        assert row["removed"] == (0, 0.5, 1)[row["step"]] and row["samples"] == 6
    assert found["schema_version"] == 2 and found["samples"] == {"evaluated": 6, "failed": 0, "divided_by": 6}


def test_what_is_written_is_what_is_returned(model: Model, rows: list[dict], tmp_path: Path) -> None:
    out = tmp_path / "out"
    study = perturbed(model, rows, out=out)
    assert {path.name for path in out.iterdir()} == {*FILES, ".run.lock"}
    assert json.loads((out / "summary.json").read_text()) == study.to_dict()
    with (out / "summary.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [{name: str("" if value is None else value) for name, value in row.items()}
            for row in study.rows()] == written
    assert study.plot().tobytes() == Image.open(out / "curves.png").tobytes()
    assert study._repr_png_() == (out / "curves.png").read_bytes()
    again = PerturbationStudy.read(out)
    assert again.to_dict() == study.to_dict() and again.rows() == study.rows()
    study.save(tmp_path / "copy")
    for name in FILES[:3]:
        assert (tmp_path / "copy" / name).read_bytes() == (out / name).read_bytes()


def test_a_study_is_one_line(model: Model, rows: list[dict]) -> None:
    said = repr(perturbed(model, rows))
    assert said.startswith("<PerturbationStudy of ") and "6 samples of rows, 2 methods, iccv21: accuracy" in said
    assert "\n" not in said


def test_changing_a_summary_leaves_the_study_as_it_is(model: Model, rows: list[dict]) -> None:
    study = perturbed(model, rows)
    study.to_dict()["samples"]["evaluated"] = 0
    assert study.rows()[0]["samples"] == 6


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
def test_broken_off_and_resumed_ends_in_the_same_bytes(model: Model, rows: list[dict], tmp_path: Path, protocol: str,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    perturbed(model, rows, protocol=protocol, out=tmp_path / "whole")
    records = PerturbationTest.records
    calls: list[int] = []

    def breaking(self: PerturbationTest, samples: list) -> object:
        calls.append(len(samples))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return records(self, samples)

    monkeypatch.setattr(PerturbationTest, "records", breaking)
    with pytest.raises(KeyboardInterrupt):
        perturbed(model, rows, protocol=protocol, out=tmp_path / "broken")
    told = Recorder()
    perturbed(model, rows, protocol=protocol, out=tmp_path / "broken", resume=True, progress=told)
    assert (told.total, told.done) == (2, 2)
    for name in FILES:
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_other_rows_are_another_run(model: Model, rows: list[dict], tmp_path: Path) -> None:
    perturbed(model, rows, out=tmp_path / "out")
    with pytest.raises(UsageError, match="had data"):
        perturbed(model, [*rows[:5], {**rows[5], "answer": "green"}], out=tmp_path / "out", resume=True)


def test_the_folder_of_a_run_without_out_is_gone(model: Model, rows: list[dict], tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert perturbed(model, rows).plot().width > 100
    assert list((tmp_path / "temporary").iterdir()) == []
    with pytest.raises(UsageError, match="cannot be gone on with"):
        perturbed(model, rows, resume=True)


def test_a_reporter_hears_of_samples_and_errors(model: Model, rows: list[dict]) -> None:
    told = Recorder()
    study = perturbed(model, [*rows, {**rows[0], "question": "what " * 40, "id": "long"}], progress=told)
    assert (told.total, told.done) == (7, 7)
    [(kind, text)] = told.lines
    assert kind == "error" and text.startswith("long: The question has 42 tokens")
    assert study.to_dict()["samples"]["failed"] == 1


def test_without_a_reporter_lines_are_warnings(model: Model, rows: list[dict], tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="absent.png does not exist"):
        perturbed(model, [*rows, {**rows[0], "image": tmp_path / "absent.png", "id": "absent"}])
    with pytest.warns(UserWarning, match="absent"), pytest.raises(MmxError, match="No sample could be evaluated"):
        perturbed(model, [{**rows[0], "image": tmp_path / "absent.png"}])


def test_several_peoples_answers_and_scores_count_softly(model: Model, rows: list[dict]) -> None:
    answer = perturbed(model, rows[:1], out=None).to_dict()["accuracy"]["mean"]
    assert answer in (0, 1)
    several = [{**rows[0], "answers": ["red", "blue", "a long answer"] * 3}]
    assert perturbed(model, several).to_dict()["accuracy"]["mean"] == pytest.approx(8 / 9)
    scored = [{**rows[0], "answer": {"red": 0.3, "blue": 0.3, "a long answer": 0.3}}]
    assert perturbed(model, scored).to_dict()["accuracy"]["mean"] == 0.3
    objects = [{**several[0], "answers": [{"answer": one} for one in several[0]["answers"]]}]
    assert perturbed(model, objects).to_dict()["accuracy"]["mean"] == pytest.approx(8 / 9)
    with pytest.raises(UsageError, match=r"Row 1, answers: \{'text': 'red'\} is no answer"):
        perturbed(model, [*several, {**rows[0], "answers": [{"text": "red"}]}])


@pytest.mark.parametrize(("changed", "said"), [
    ({"modalities": ["sound"]}, "No modality named 'sound'"), ({"signs": ["both"]}, "No sign named 'both'"),
    ({"methods": ["relevanse"]}, "Did you mean 'relevance'"), ({"protocol": "icv21"}, "Did you mean 'iccv21'"),
    ({"steps": [1, 0]}, "cannot be run"),
])
def test_misuse_is_named(model: Model, rows: list[dict], changed: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        perturbed(model, rows, **changed)


@pytest.mark.parametrize("lacking", ["image", "question", "answer"])
def test_a_row_without_what_it_needs_is_named(model: Model, rows: list[dict], lacking: str) -> None:
    with pytest.raises(UsageError, match="Row 1: image, question or answer is missing"):
        perturbed(model, [rows[0], {name: value for name, value in rows[1].items() if name != lacking}])
    with pytest.raises(UsageError, match="no questions"):
        perturbed(model, [])


def test_runs_side_by_side(model: Model, rows: list[dict], tmp_path: Path) -> None:
    perturbed(model, rows, out=tmp_path / "a", methods=["relevance"])
    perturbed(model, rows, out=tmp_path / "b", methods=["rollout"])
    study = mmx.compare(tmp_path / "a", tmp_path / "b", out=tmp_path / "c")
    assert {row["method"] for row in study.rows()} == {"relevance", "rollout"}
    assert study.to_dict() == json.loads((tmp_path / "c/summary.json").read_text())
    assert study.to_dict()["panels"] == perturbed(model, rows).to_dict()["panels"]
    assert "2 methods" in repr(study) and study.plot().width > 100
    with pytest.raises(UsageError, match="nothing to be compared with"):
        mmx.compare(tmp_path / "a", tmp_path / "a")
