"""What decides a result is in the model's revision, also where it lies beside the checkpoint; and its name is told."""

import base64
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frcnn_folder import write_detector
from transformers import BertTokenizer

import mmx
from mmx.errors import UsageError
from mmx.files import hash_of_files
from mmx.results import changed_in_revision, revision_with


def features(value: float) -> dict[str, Any]:
    return {"features": np.full((2, 12), value, dtype=np.float32), "num_boxes": 2, "image_width": 30,
            "bbox": np.array([[0, 0, 10, 10], [5, 5, 20, 20]], dtype=np.float32), "image_height": 20}


def write_tsv(folder: Path, value: float) -> Path:
    path, one = folder / "f.tsv", features(value)
    coded = [base64.b64encode(one[name].tobytes()).decode() for name in ("bbox", "features")]
    path.write_text("\t".join(["scene", "30", "20", "2", *coded]) + "\n")
    return path


def write_npy(folder: Path, value: float) -> Path:
    path = folder / "npy"
    path.mkdir(exist_ok=True)
    one = features(value)
    np.save(path / "scene.npy", one.pop("features"))
    np.save(path / "scene_info.npy", one, allow_pickle=True)  # type: ignore[arg-type]
    return path


def write_lmdb(folder: Path, value: float) -> Path:
    lmdb = pytest.importorskip("lmdb")
    path = folder / f"of-{value}.lmdb"
    with lmdb.open(str(path), subdir=False) as database, database.begin(write=True) as writing:
        writing.put(b"keys", pickle.dumps([b"scene"]))
        writing.put(b"scene", pickle.dumps(features(value)))
    Path(f"{path}-lock").unlink()
    return path.replace(folder / "f.lmdb")


@pytest.mark.parametrize("write", [write_tsv, write_npy, write_lmdb])
def test_features(tiny_lxmert: Path, tmp_path: Path, write: Callable[[Path, float], Path]) -> None:
    first, again, other = (mmx.load(tiny_lxmert, features=write(tmp_path, value)).info.revision
                           for value in (1.0, 1.0, 2.0))
    own = mmx.load(tiny_lxmert).info.revision
    assert first == again and first.startswith(f"{own} with features sha256:")
    assert changed_in_revision(first, other) == "the same model with other features"
    assert changed_in_revision(own, first) == "the same model with other features"


def test_a_region_detector(tiny_lxmert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    write_detector(folder)
    regions = {"provider": "frcnn", "checkpoint": str(folder)}
    before = mmx.load(tiny_lxmert, regions=regions).info.revision
    assert mmx.load(tiny_lxmert, regions=regions).info.revision == before
    write_detector(folder, seed=1)
    after = mmx.load(tiny_lxmert, regions=regions).info.revision
    assert changed_in_revision(before, after) == "the same model with regions of another detector"


def test_a_detector_that_the_checkpoint_names(tiny_lxmert: Path, tmp_path: Path) -> None:
    checkpoint, detector = tmp_path / "checkpoint", tmp_path / "detector"
    shutil.copytree(tiny_lxmert, checkpoint)
    detector.mkdir()
    (detector / "model.safetensors").write_bytes(b"one")
    (checkpoint / "regions.json").write_text(json.dumps({"provider": "fcos", "detector": str(detector)}))
    before = mmx.load(checkpoint).info.revision
    (detector / "model.safetensors").write_bytes(b"two")
    assert changed_in_revision(before, mmx.load(checkpoint).info.revision) == (
        "the same model with regions of another detector")


def test_names_of_answers(tiny_lxmert: Path, tmp_path: Path) -> None:
    path, answers = tmp_path / "answers.txt", ["red", "green", "blue"]
    path.write_text("\n".join(answers))
    before = mmx.load(tiny_lxmert, answers=path).info.revision
    assert mmx.load(tiny_lxmert, answers=answers).info.revision == before
    path.write_text("\n".join(answers[::-1]))
    after = mmx.load(tiny_lxmert, answers=path).info.revision
    assert changed_in_revision(before, after) == "the same model with other names of answers"


def test_a_tokenizer_out_of_another_folder(tiny_vilt: Path, tmp_path: Path) -> None:
    checkpoint, other = tmp_path / "checkpoint", tmp_path / "other"
    for folder in (checkpoint, other):
        shutil.copytree(tiny_vilt, folder)
    for path in checkpoint.glob("*token*"):
        path.unlink()
    before = mmx.load(checkpoint, processor=other).info.revision
    words = BertTokenizer.from_pretrained(other).get_vocab()
    BertTokenizer(vocab={**words, "red": words["circle"], "circle": words["red"]}).save_pretrained(other)
    after = mmx.load(checkpoint, processor=other).info.revision
    assert changed_in_revision(before, after) == "the same model with another tokenizer"
    settings = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps(settings | {"do_normalize": False}))
    assert changed_in_revision(after, mmx.load(checkpoint, processor=other).info.revision) == (
        "the same model with the image processor of another checkpoint")


def test_a_tokenizer_that_is_known_to_go_with_it(tiny_vilt: Path, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "vocab.txt").write_text("one\n")
    monkeypatch.setattr("mmx.elements.text.tokenizer_elsewhere", lambda source, given: other)
    before = mmx.load(tiny_vilt).info.revision
    (other / "vocab.txt").write_text("two\n")
    assert changed_in_revision(before, mmx.load(tiny_vilt).info.revision) == "the same model with another tokenizer"


def test_what_cannot_be_read_is_told_where_it_is_needed(tiny_lxmert: Path, tmp_path: Path) -> None:
    model = mmx.load(tiny_lxmert, features=tmp_path / "none.tsv", answers=tmp_path / "none.txt")
    assert model.info.revision == mmx.load(tiny_lxmert).info.revision
    with pytest.raises(UsageError, match=r"none\.tsv cannot be read"):
        model.load_all()


def test_revisions_in_words() -> None:
    whole = revision_with("sha256:0", {"processor": "sha256:1", "answers": "sha256:2"})
    assert whole == "sha256:0 with answers sha256:2 with processor sha256:1"
    assert changed_in_revision(whole, whole) is None
    assert changed_in_revision(whole, revision_with("sha256:9", {})) == "another model"


def test_large_files_are_known_by_sizes_and_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmx.files._BLOCK", 16)
    monkeypatch.setattr("mmx.files._BLOCKS", 5)
    paths, draw = [tmp_path / name for name in "abc"], np.random.default_rng(0)
    for path in paths:
        path.write_bytes(draw.bytes(400))
    whole = hash_of_files(paths, most=1000)
    assert hash_of_files(paths[::-1], most=1000) == whole != hash_of_files(paths, most=1200) == hash_of_files(paths)
    content = paths[1].read_bytes()
    for changed in (content + b"x", content[:196] + b"????" + content[200:]):
        paths[1].write_bytes(changed)
        assert hash_of_files(paths, most=1000) != whole
    paths[1].write_bytes(content)
    assert hash_of_files(paths, most=1000) == whole


@pytest.mark.parametrize("named", ["grid", "6"])
def test_a_folder_that_is_called_as_an_option_is_none_of_it(tiny_lxmert: Path, tmp_path: Path, named: str,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    regions, found = {"provider": "grid", "rows": 6, "columns": 6}, []
    for size in (1, 2):
        (tmp_path / named).mkdir(exist_ok=True)
        (tmp_path / named / "file").write_bytes(bytes(size))
        found.append(mmx.load(tiny_lxmert, regions=regions).info.revision)
    assert found[0] == found[1]
