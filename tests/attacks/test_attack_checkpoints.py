"""Checkpoints' files: configs, processors, tokenizers, indices and headers of weights with odd values, missing ones,
damaged text. The checkpoint loads and explains, or one line refuses it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from damage import damaged_bytes, damaged_json, within_seconds
from noise import noise
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import mmx
from mmx.cli.beforehand import check_model
from mmx.errors import MmxError

PICTURE = noise((60, 40), 90)
CHECKPOINTS: dict[str, dict[str, Any]] = {
    "vit": {}, "clip": {"text": ["a"]}, "lxmert": {"question": "what is red?"}, "detr": {"query": 0}}
FILES = {
    "vit": ("config.json", "preprocessor_config.json", "model.safetensors", "model.safetensors.index.json"),
    "clip": ("config.json", "tokenizer.json", "tokenizer_config.json"), "lxmert": ("config.json", "regions.json"),
    "detr": ("config.json", "preprocessor_config.json")}
_MOST = 400  # damages of one file, evenly out of all
QUICK = {("vit", "preprocessor_config.json"), ("vit", "model.safetensors.index.json"), ("lxmert", "regions.json")}


def split_weights(folder: Path) -> None:
    """In two files, with the index that says which holds what."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        save_file({name: weights[name] for name in part}, folder / f"part-{number}.safetensors", {"format": "pt"})
    shards = {name: f"part-{1 + place % 2}.safetensors" for place, name in enumerate(names)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))


def damages(path: Path) -> Iterator[tuple[str, bytes]]:
    """Of a JSON file each value; of weights their header."""
    whole = path.read_bytes()
    if path.suffix == ".json":
        found = list(damaged_json(json.loads(whole)))
        yield from found[::1 + len(found) // _MOST]
        return
    size = 8 + int.from_bytes(whole[:8], "little")
    yield from ((f"header {how}", head + whole[size:]) for how, head in damaged_bytes(whole[:size], 0))
    with safe_open(path, "pt") as file:
        first = sorted(file.keys())[0]
    header = json.loads(whole[8:size])
    one = {"__metadata__": {"format": "pt"}, first: header[first]}
    for how, content in damaged_json(one):
        yield f"entry {how}", len(content).to_bytes(8, "little") + content + whole[size:]


def attacks() -> list[Any]:
    return [pytest.param(name, file, id=f"{name} {file}", marks=[] if (name, file) in QUICK else [pytest.mark.slow])
            for name, files in FILES.items() for file in files]


@pytest.mark.parametrize(("name", "file"), attacks())
def test_it_explains_or_is_refused(name: str, file: str, tmp_path: Path, request: pytest.FixtureRequest,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder, faults = tmp_path / name, []
    shutil.copytree(request.getfixturevalue(f"tiny_{name}"), folder)
    if file.endswith(".index.json"):
        split_weights(folder)
    whole = (folder / file).read_bytes()
    for how, content in [("whole", whole), *damages(folder / file)]:
        (folder / file).write_bytes(content)
        try:
            with within_seconds(30):
                check_model(str(folder), None)
                model = mmx.load(folder)
                model.load_all()
                model.explain(PICTURE, **CHECKPOINTS[name])
        except MmxError as error:
            if how == "whole" or "\n" in str(error):
                faults.append(f"{how}: {error}")
        except Exception as error:
            faults.append(f"{how}: {type(error).__name__}: {error}"[:200])
    assert faults == []
