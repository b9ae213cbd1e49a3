"""Explanations in JSON, as mmx draw takes them: odd values, missing ones, damaged text. They are drawn, or one line
refuses them."""

import json
from pathlib import Path
from typing import Any

import pytest
from damage import damaged_json
from noise import noise

import mmx
from mmx.cli.draw import _read
from mmx.errors import UsageError
from mmx.show.saving import to_image


@pytest.fixture(scope="module")
def document(tiny_vit: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a picture that is still at its place."""
    folder = tmp_path_factory.mktemp("drawn")
    noise((60, 40), 90).save(folder / "scene.png")
    mmx.load(tiny_vit).explain(folder / "scene.png", target=[3]).save(folder)
    [path] = folder.glob("*.json")
    return json.loads(path.read_text())


def refused_or_drawn(path: Path) -> str | None:
    try:
        to_image([_read(path, None)])
    except UsageError as error:
        return str(error)
    return None


def test_whole_documents_are_drawn(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "whole.json").write_text(json.dumps(document))
    assert refused_or_drawn(tmp_path / "whole.json") is None


QUICK = ("schema_version", "method", "images", "predictions")
SLOW = ("question", "asked", "items", "elements", "others", "model", "notes", "left_out", "signed", "versions", "")


@pytest.fixture(scope="module")
def damaged(document: dict[str, Any]) -> dict[str, list[tuple[str, bytes]]]:
    """By the part of the document that is damaged."""
    found: dict[str, list[tuple[str, bytes]]] = {part: [] for part in (*QUICK, *SLOW)}
    for how, content in damaged_json(document):
        part = how.partition(" ")[0].partition("/")[0]
        found[part if part in document else ""].append((how, content))
    return found


@pytest.mark.parametrize("part", [*QUICK, *(pytest.param(part, marks=pytest.mark.slow) for part in SLOW)])
def test_damaged_documents_are_refused_or_drawn(damaged: dict[str, list[tuple[str, bytes]]], tmp_path: Path, part: str,
                                                capfd: pytest.CaptureFixture) -> None:
    path, faults = tmp_path / "damaged.json", []
    for how, content in damaged[part]:
        path.write_bytes(content)
        try:
            said = refused_or_drawn(path)
            if said is not None and ("\n" in said or ("damaged.json" not in said and "--image" not in said)):
                faults.append(f"{how}: {said}")
        except Exception as error:
            faults.append(f"{how}: {type(error).__name__}: {error}"[:200])
    assert damaged[part] and faults == []
    assert capfd.readouterr() == ("", "")
