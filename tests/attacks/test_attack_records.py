"""Records of perturb and segment that were edited by hand: odd values, missing ones, damaged text; and the parameters
beside them. The run goes on and sums up, or one line names the file, and the line of a record."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from damage import damaged_bytes, damaged_json, places, with_value, within_seconds
from noise import noise

import mmx
from mmx.errors import MmxError, UsageError
from mmx.shapes.coco import write_coco

RECORDS, PARAMETERS, SUMMARY = "records.0-of-1.jsonl", "run.json", "summary.json"
Again = Callable[[Path, bool], Any]


@pytest.fixture(scope="module")
def perturbed(tiny_lxmert: Path) -> Again:
    model = mmx.load(tiny_lxmert)
    rows = [{"image": noise((60, 40), 40 * (number + 1)), "question": "what is red?",
             "answer": "red"} for number in range(2)]
    return lambda out, resume: mmx.perturb(model, rows, steps=[0, 1], signs=["positive"], cache=False, out=out,
                                           resume=resume, batch_size=1)


@pytest.fixture(scope="module")
def segmented(tiny_detr: Path, tmp_path_factory: pytest.TempPathFactory) -> Again:
    folder = tmp_path_factory.mktemp("pictures")
    write_coco(folder, range(2), 32)
    document = json.loads((folder / "instances.json").read_text())
    document["categories"][0]["name"] = "cat"
    for note in document["annotations"]:
        note["category_id"] = document["categories"][0]["id"]
    (folder / "instances.json").write_text(json.dumps(document))
    model = mmx.load(tiny_detr)
    return lambda out, resume: mmx.segment(model, folder, folder / "instances.json", threshold=0, out=out,
                                           resume=resume)


def extremes(document: Any) -> Iterator[tuple[str, bytes]]:
    """Numbers out of range and texts of nothing, where a value is one."""
    for path in places(document):
        value = document
        for key in path:
            value = value[key]
        odd = {int: (7, -7, 2**70), float: (7.5, -0.1, 1.0000001), str: ("zzzz", "\u2028", "P" * 500)}
        for number, other in enumerate(odd.get(type(value), ())):
            yield f"{'/'.join(map(str, path))} out of range {number}", json.dumps(
                with_value(document, path, other)).encode()


def faults_of(again: Again, folder: Path, name: str, damaged: Iterator[tuple[str, bytes]], rest: bytes,
              place: str) -> list[str]:
    faults = []
    for how, content in damaged:
        (folder / name).write_bytes(content + rest)
        kept = {path.name: path.read_bytes() for path in folder.glob("records*")}
        try:
            with within_seconds(60):
                again(folder, True)
        except UsageError as error:
            if "\n" in str(error) or (place not in str(error) and "of sample " not in str(error)):
                faults.append(f"{how}: {error}")
            if kept != {path.name: path.read_bytes() for path in folder.glob("records*")}:
                faults.append(f"{how}: records were changed")
        except MmxError as error:
            faults.append(f"{how}: {type(error).__name__} {error}")
        except Exception as error:
            faults.append(f"{how}: {type(error).__name__}: {error}"[:200])
    return faults


KINDS = ("perturbed", "segmented")


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are drawn of the summary, and cost more than all the rest."""
    for place in ("perturb.study.curves_file", "perturb.result.curves_file", "segment.study.gallery_png"):
        monkeypatch.setattr(f"mmx.studies.{place}", lambda *_: b"")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_records_are_believed_or_named(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    again = request.getfixturevalue(kind)
    again(tmp_path / "run", False)
    first, rest = (tmp_path / "run" / RECORDS).read_bytes().split(b"\n", 1)
    record = json.loads(first)

    def damaged() -> Iterator[tuple[str, bytes]]:
        yield "whole", first + b"\n"
        for how, content in (*damaged_json(record), *extremes(record)):
            yield how, content.replace(b"\n", b" ") + b"\n"
        yield "twice", first + b"\n" + first + b"\n"

    assert faults_of(again, tmp_path / "run", RECORDS, damaged(), rest, RECORDS) == []


@pytest.mark.parametrize("kind", KINDS)
def test_records_of_damaged_bytes(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    again = request.getfixturevalue(kind)
    again(tmp_path / "run", False)
    whole = (tmp_path / "run" / RECORDS).read_bytes()
    assert faults_of(again, tmp_path / "run", RECORDS, damaged_bytes(whole, 3), b"", RECORDS) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_the_same_or_named(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    again = request.getfixturevalue(kind)
    again(tmp_path / "run", False)
    parameters = json.loads((tmp_path / "run" / PARAMETERS).read_bytes())
    assert faults_of(again, tmp_path / "run", PARAMETERS, damaged_json(parameters), b"", str(tmp_path / "run")) == []


@pytest.mark.slow
def test_finished_runs_are_compared_or_named(perturbed: Again, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmx.studies.perturb.compare.curves_file", lambda *_: b"")
    for name in ("run", "other"):
        perturbed(tmp_path / name, False)
    summary = json.loads((tmp_path / "run" / SUMMARY).read_bytes())
    found = faults_of(lambda folder, _: mmx.compare(folder, tmp_path / "other"), tmp_path / "run", SUMMARY,
                      damaged_json(summary), b"", str(tmp_path / "run"))
    assert found == []


def test_one_that_is_edited_is_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Or nothing here could fail."""
    for kind, change in (("perturbed", {"accuracy": 7}), ("segmented", {"kept": [99]})):
        again, folder = request.getfixturevalue(kind), tmp_path / kind
        again(folder, False)
        first, *more = (folder / RECORDS).read_text().splitlines(keepends=True)
        (folder / RECORDS).write_text("".join([json.dumps(json.loads(first) | change) + "\n", *more]))
        with pytest.raises(UsageError, match=rf"{RECORDS}, line 1"):
            again(folder, True)
        shutil.rmtree(folder)
