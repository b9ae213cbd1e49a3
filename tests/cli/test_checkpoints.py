"""Checkpoints that are broken, hostile or not there, and which one is used when none is named."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cli_outcome import Command
from safetensors.torch import load_file, save_file

from mmx.checkpoints.loading import content_hash

CODE = "open({!r}, 'w').close()\nclass Config: pass\n"


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def lose_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("answer_head.logit_fc.3.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty folder": (empty, "has no config.json"),
    "broken config": (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
    "config of another kind": (lambda folder: (folder / "config.json").write_text("[]"), "config of"),
    "no model type": (lambda folder: (folder / "config.json").write_text("{}"), "model_type"),
    "unknown model type": (lambda folder: change(folder / "config.json", model_type="bzrt"), "bzrt"),
    "config field": (lambda folder: change(folder / "config.json", hidden_size="x"), "hidden_size"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
    "empty weights": (lambda folder: cut(folder / "model.safetensors", 0), "weights of"),
    "truncated weights": (lambda folder: cut(folder / "model.safetensors", 0.5), "weights of"),
    "garbage weights": (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 999), "weights of"),
    "missing weight": (lose_a_weight, "lacks 1 weights"),
    "other shape": (lambda folder: change(folder / "config.json", visual_feat_dim=9), "visn_fc"),
    "no tokenizer": (without_tokenizer, "has no tokenizer"),
    "no vocabulary": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
    "broken tokenizer": (lambda folder: cut(folder / "tokenizer.json", 0.5), "tokenizer of"),
    "broken regions": (lambda folder: cut(folder / "regions.json", 0.5), "regions.json cannot be read"),
    "regions of another kind": (lambda folder: (folder / "regions.json").write_text("[1]"), "holds no JSON object"),
    "unknown regions": (lambda folder: change(folder / "regions.json", provider="magic"), "regions.json"),
    "regions of nothing": (lambda folder: change(folder / "regions.json", provider="detr"), "regions.json"),
}


@pytest.mark.parametrize(("breaks", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_checkpoint(ask: Command, picture: Path, checkpoint: Path, tmp_path: Path,
                             breaks: Callable[[Path], object], message: str) -> None:
    breaks(checkpoint)
    outcome = ask(picture, picture, "-q", "red?", "--model", checkpoint)
    assert outcome.code == 1
    assert message in outcome.error
    assert str(checkpoint) in outcome.error
    assert outcome.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "message"), [
    ("", "The name of the checkpoint is empty"),
    ("unc-nlp-lxmert-vqa-uncased", "Did you mean 'unc-nlp/lxmert-vqa-uncased'?"),
    ("scene.png", "scene.png is a file; a checkpoint is a folder"),
    ("./nowhere", "There is no checkpoint folder ./nowhere."),
    ("/nowhere/at/all", "There is no checkpoint folder /nowhere/at/all."),
    ("x" * 300, "No checkpoint named"),
    ("two\nlines", "No checkpoint named 'two lines'."),
])
def test_a_name_that_stands_for_nothing(ask: Command, picture: Path, name: str, message: str) -> None:
    outcome = ask(picture, "-q", "red?", "--model", name)
    assert outcome.code == 2
    assert message in outcome.error


def test_a_family_that_mmx_does_not_know(ask: Command, picture: Path, checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text('{"model_type": "bert"}')
    outcome = ask(picture, "-q", "red?", "--model", checkpoint)
    assert outcome.code == 2
    assert "'bert'" in outcome.error
    assert "LxmertForQuestionAnswering" in outcome.error


@pytest.mark.parametrize(("file", "decides"), [
    ("config.json", True), ("tokenizer.json", True), ("tokenizer_config.json", True), ("vocab.txt", True),
    ("preprocessor_config.json", True), ("regions.json", True), ("model.safetensors", True), ("spiece.model", True),
    ("model.safetensors.index.json", True), ("README.md", False), ("training.log", False)])
def test_a_revision_is_over_all_that_decides(checkpoint: Path, file: str, decides: bool) -> None:
    before = content_hash(checkpoint)
    assert content_hash(checkpoint) == before
    path = checkpoint / file
    path.write_bytes((path.read_bytes() if path.is_file() else b"") + b" ")
    assert (content_hash(checkpoint) != before) is decides


class Hostile:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.file,)


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_never_unpickled(ask: Command, picture: Path, checkpoint: Path, tmp_path: Path,
                                     zipped: bool) -> None:
    (checkpoint / "model.safetensors").unlink()
    weights, mark = checkpoint / "pytorch_model.bin", tmp_path / "ran"
    content = {"lxmert.x": Hostile(mark)}
    torch.save(content, weights) if zipped else weights.write_bytes(pickle.dumps(content))
    outcome = ask(picture, "-q", "red?", "--model", checkpoint)
    assert outcome.code == 1
    assert "unpickling them could run code" in outcome.error
    assert not mark.exists()
    pickle.loads(pickle.dumps(content))
    assert mark.exists()


def test_plain_tensors_in_a_pickle_are_fine(ask: Command, picture: Path, checkpoint: Path) -> None:
    torch.save(load_file(checkpoint / "model.safetensors"), checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    assert ask(picture, "-q", "red?", "--model", checkpoint).code == 0


@pytest.mark.parametrize(("file", "values"), [
    ("config.json", {"model_type": "hostile", "auto_map": {"AutoConfig": "code.Config"}}),
    ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["code.Config", "code.Config"]}}),
])
def test_code_in_a_checkpoint_is_never_run(ask: Command, picture: Path, checkpoint: Path, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch, file: str, values: dict) -> None:
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")
    (checkpoint / "code.py").write_text(CODE.format(str(tmp_path / "ran")))
    change(checkpoint / file, **values)
    outcome = ask(picture, "-q", "red?", "--model", checkpoint)
    assert outcome.code in (0, 1)
    assert outcome.out == "" or outcome.code == 0
    assert outcome.err == "" or outcome.error
    assert not (tmp_path / "ran").exists()


def test_a_model_without_regions_of_its_own_is_noted_once(ask: Command, picture: Path, checkpoint: Path) -> None:
    (checkpoint / "regions.json").unlink()
    outcome = ask(picture, picture, "-q", "red?", "--model", checkpoint)
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.err.splitlines()] == ["note:"]


def test_the_shipped_checkpoint_is_the_default(mmx: Command, picture: Path, tiny_lxmert: Path, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny_lxmert, tmp_path / "weights" / "shapes-lxmert")
    for module in ("mmx.checkpoints.catalog", "mmx.checkpoints.choices"):
        monkeypatch.setattr(f"{module}.WEIGHTS", tmp_path / "weights")
    outcome = mmx("explain", picture, "-q", "red?")
    assert outcome.code == 0
    assert outcome.err == ("note: using shapes-lxmert, which ships with mmx and knows drawn shapes only; "
                           "for photographs: --model unc-nlp/lxmert-vqa-uncased\n")
    assert mmx("explain", picture, "-q", "red?", "--quiet").err == ""
    listed = mmx("models").out
    assert any(line.split()[0] == "shapes-lxmert" for line in listed.splitlines() if line)
    assert "shapes-lxmert for a question" in listed
    assert "Did you mean 'shapes-lxmert'?" in mmx("explain", picture, "-q", "red?", "--model", "shapes-lxmet").error


@pytest.mark.parametrize("in_config", [True, False])
def test_another_default_can_be_set(mmx: Command, picture: Path, tiny_lxmert: Path, tmp_path: Path,
                                    monkeypatch: pytest.MonkeyPatch, in_config: bool) -> None:
    config = tmp_path / "config" / "mmx" / "config.toml"
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(config.parent))
    config.parent.mkdir(parents=True)
    config.write_text(f"model = {json.dumps(str(tiny_lxmert) if in_config else 'not this')}\n")
    if not in_config:
        monkeypatch.setenv("MMX_MODEL", str(tiny_lxmert))
    outcome = mmx("explain", picture, "-q", "red?")
    assert outcome.code == 0
    assert outcome.err == f"note: using {tiny_lxmert}, as {config if in_config else 'MMX_MODEL'} says\n"


@pytest.mark.parametrize("content", ["model = ", "model = 3", "\udcff"])
def test_a_broken_config_file(mmx: Command, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                              content: str) -> None:
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(tmp_path))
    (tmp_path / "config.toml").write_bytes(content.encode(errors="surrogateescape"))
    outcome = mmx("explain", picture, "-q", "red?")
    assert outcome.code == 2
    assert "config.toml" in outcome.error
