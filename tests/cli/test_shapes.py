"""`mmx shapes draw` and `mmx shapes coco`: what they write, and that they replace nothing unasked."""

import json
from pathlib import Path

import pytest
from cli_outcome import Command

FILES = {"draw": "questions.csv", "coco": "instances.json"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("command", FILES)
def test_nothing_is_replaced_unasked(mmx: Command, tmp_path: Path, command: str) -> None:
    out = tmp_path / "own"
    call = ("shapes", command, "-n", 2, "--size", 32, "--out", out)
    assert mmx(*call).code == 0
    before = contents(out)
    assert {*before} == {"scene-0.png", "scene-1.png", FILES[command]}
    assert mmx(*call).code == 0 and contents(out) == before  # the same again
    (out / "scene-1.png").write_bytes(b"mine")
    (out / FILES[command]).write_bytes(b"mine, too")
    mine = contents(out)
    outcome = mmx(*call, "--first-scene", 1)
    assert outcome.code == 2 and "--overwrite" in outcome.error
    assert f"{out / 'scene-1.png'} is there already (and 1 more) and is another one." in outcome.error
    assert contents(out) == mine
    assert mmx(*call, "--overwrite").code == 0 and contents(out) == before


@pytest.mark.parametrize("command", FILES)
def test_nothing_is_written_by_halves(mmx: Command, tmp_path: Path, command: str) -> None:
    out = tmp_path / "own"
    (out / FILES[command]).mkdir(parents=True)
    (out / FILES[command] / "file").touch()
    outcome = mmx("shapes", command, "-n", 2, "--size", 32, "--out", out)
    assert outcome.code == 1 and FILES[command] in outcome.error
    assert [path.name for path in out.iterdir()] == [FILES[command]]


def test_the_scenes_are_those_that_are_asked_for(mmx: Command, tmp_path: Path) -> None:
    mmx("shapes", "coco", "-n", 2, "--first-scene", 7, "--size", 32, "--out", tmp_path)
    document = json.loads((tmp_path / "instances.json").read_text())
    assert [(one["id"], one["file_name"], one["width"]) for one in document["images"]] == [
        (7, "scene-7.png", 32), (8, "scene-8.png", 32)]
