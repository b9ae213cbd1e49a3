"""Folders that are no checkpoint: what they are is told, and nothing outside of them is read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

import mmx
from mmx.errors import CheckpointError

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 346293852\n"
INDEX = "model.safetensors.index.json"


def inside(name: str) -> Callable[[Path], None]:
    """The whole checkpoint moves into a folder within."""
    def move(folder: Path) -> None:
        files = list(folder.iterdir())
        (folder / name).mkdir(parents=True)
        for path in files:
            shutil.move(path, folder / name)
    return move


def trainer(folder: Path) -> None:
    inside("checkpoint-500")(folder)
    shutil.copytree(folder / "checkpoint-500", folder / "checkpoint-60")


def trainer_with_config(folder: Path) -> None:
    trainer(folder)
    shutil.copy(folder / "checkpoint-60" / "config.json", folder)


def hub_cache(folder: Path) -> None:
    inside("models--owner--name/snapshots/abc")(folder)


def adapter(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "google/vit-base-patch16-224"}')


def open_clip(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "open_clip_model.safetensors")


def sentence_transformers(folder: Path) -> None:
    inside("0_CLIPModel")(folder)
    (folder / "modules.json").write_text("[]")


def of_another_program(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "best.ckpt")


KINDS = {
    "trainer": (trainer, r"Trainer's folder: name one .* such as \S+/checkpoint-500\."),
    "trainer with a config": (trainer_with_config, r"no weights .* such as \S+/checkpoint-500\."),
    "hub cache": (hub_cache, r"the hub's cache: name a checkpoint in it, such as owner/name\."),
    "adapter": (adapter, r"PEFT adapter of google/vit-base-patch16-224: .* merge_and_unload"),
    "open_clip": (open_clip, "open_clip's format"),
    "sentence-transformers": (sentence_transformers, r"sentence-transformers folder: name .*/0_CLIPModel\."),
    "folder inside": (inside("best"), r"A folder inside it holds one: name \S+/best\."),
    "another program": (of_another_program, r"best\.ckpt"),
}


@pytest.fixture
def folder(tiny_vit: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_vit, tmp_path / "folder"))


@pytest.mark.parametrize(("makes", "message"), KINDS.values(), ids=KINDS)
def test_a_folder_of_another_kind_is_told(folder: Path, makes: Callable[[Path], None], message: str) -> None:
    makes(folder)
    with pytest.raises(CheckpointError, match=message):
        mmx.load(folder)


def test_a_folder_of_the_hubs_cache(folder: Path) -> None:
    hub_cache(folder)
    with pytest.raises(CheckpointError, match=r"name the checkpoint owner/name, or \S+/snapshots/abc\."):
        mmx.load(folder / "models--owner--name")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_git_lfs_pointer_is_called_that(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).write_text(POINTER)
    with pytest.raises(CheckpointError, match=rf"{name} is a git-lfs pointer") as found:
        mmx.load(folder).load_all()
    assert f"'git lfs pull' in {folder}" in (found.value.hint or "")


def test_a_vocabulary_that_is_a_pointer(tiny_lxmert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_lxmert, tmp_path / "folder"))
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text(POINTER)
    with pytest.raises(CheckpointError, match=r"vocab\.txt is a git-lfs pointer"):
        mmx.load(folder).load_all()


def test_a_pointer_that_is_not_read_does_no_harm(folder: Path) -> None:
    (folder / "tf_model.h5").write_text(POINTER)
    (folder / "pytorch_model.bin").write_text(POINTER)
    mmx.load(folder).load_all()


def sharded(folder: Path, shard: str) -> None:
    """All weights in one shard, by an index that calls it this."""
    weights = load_file(folder / "model.safetensors")
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(weights, shard)}))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")


def test_shards_are_loaded(folder: Path, tiny_vit: Path) -> None:
    sharded(folder, "model-00001-of-00001.safetensors")
    loaded = mmx.load(folder).network.state_dict()
    assert all(value.equal(loaded[name]) for name, value in mmx.load(tiny_vit).network.state_dict().items())


@pytest.mark.parametrize("shard", ["../outside.safetensors", "/etc/passwd", "inner/part.safetensors", "inner", "..",
                                   ".", "", "a\\b.safetensors"])
def test_an_index_names_files_of_its_folder_alone(folder: Path, shard: str) -> None:
    sharded(folder, shard)
    (folder / "inner").mkdir()
    for path in (folder.parent / "outside.safetensors", folder / "inner" / "part.safetensors"):
        shutil.copy(folder / "model-00001-of-00001.safetensors", path)
    with pytest.raises(CheckpointError, match="which is no file of its folder") as found:
        mmx.load(folder)
    assert str(folder / INDEX) in found.value.message


@pytest.mark.parametrize(("content", "message"), [
    ("{", "cannot be read"), ("[]", "has no weight_map"), ('{"weight_map": {"x": 3}}', "has no weight_map"),
    ('{"weight_map": {"x": "model-00002-of-00002.safetensors"}}', r"model-00002-of-00002\.safetensors, which is not"),
])
def test_an_index_that_is_broken(folder: Path, content: str, message: str) -> None:
    sharded(folder, "x")
    (folder / INDEX).write_text(content)
    with pytest.raises(CheckpointError, match=message):
        mmx.load(folder)


def test_a_hub_checkpoint_s_processor_is_looked_for_in_the_cache(folder: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="owner/other is not in the local cache"):
        mmx.load(folder, processor="owner/other")
