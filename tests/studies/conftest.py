"""The reference's end-to-end case as a checkpoint with an image processor, and its pictures as files."""

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    return shared / "golden/detr/e2e_2images"


@pytest.fixture(scope="session")
def golden_detector(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import DetrImageProcessor

    folder = tmp_path_factory.mktemp("checkpoints") / "e2e"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(golden / name, folder)
    short, long = json.loads((golden / "meta.json").read_text())["resize"]
    DetrImageProcessor(size={"shortest_edge": short, "longest_edge": long}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def golden_pictures(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image
    from safetensors.torch import load_file

    folder = tmp_path_factory.mktemp("pictures")
    inputs = load_file(golden / "inputs.safetensors")
    for entry in json.loads((golden / "gt.json").read_text())["images"]:
        Image.fromarray(inputs[f"image{entry['id']}/uint8"].numpy()).save(folder / entry["file_name"])
    return folder


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
