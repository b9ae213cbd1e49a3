"""What is cached is used as it is; what is not is fetched, or one line says what to do."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import errors

import mmx
from mmx.checkpoints import hub
from mmx.checkpoints.catalog import CatalogEntry, catalog
from mmx.checkpoints.loading import load_tokenizer, resolve
from mmx.checkpoints.names import parse_names
from mmx.checkpoints.pulling import pull_all
from mmx.errors import CheckpointError
from mmx.families.base import Names

NAME, COMMIT = "someone/tiny-lxmert", "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub that cannot be reached."""
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    answers(monkeypatch, OSError("Name or service not known\nmore"))
    return tmp_path / "hub"


def answers(monkeypatch: pytest.MonkeyPatch, reply: Exception | list[str], config: dict | None = None) -> None:
    def model_info(self: object, name: str, *, revision: str | None, timeout: float) -> SimpleNamespace:
        if isinstance(reply, Exception):
            raise reply
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in reply], config=config)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)


def fill(cache: Path, name: str, files: dict[str, bytes], revision: str = "main") -> Path:
    """As `huggingface_hub` lays its cache out."""
    place = cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / revision).write_text(COMMIT)
    folder = place / "snapshots" / COMMIT
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


def test_a_cached_checkpoint_is_loaded_without_asking(cache: Path, tiny_lxmert: Path) -> None:
    folder = fill(cache, NAME, {path.name: path.read_bytes() for path in tiny_lxmert.iterdir()})
    model = mmx.load(NAME)
    assert model.source.folder == folder
    assert (model.info.name, model.info.revision) == (NAME, COMMIT)


def test_a_revision_is_another_checkpoint(cache: Path, tiny_lxmert: Path) -> None:
    fill(cache, NAME, {path.name: path.read_bytes() for path in tiny_lxmert.iterdir()}, revision="v2")
    assert resolve(NAME, "v2").commit == COMMIT
    with pytest.raises(CheckpointError, match="tiny-lxmert is not in the local cache"):
        resolve(NAME)
    with pytest.raises(CheckpointError, match="tiny-lxmert@v3 is not in the local cache"):
        resolve(NAME, "v3")


def test_a_cache_without_weights_does_not_count(cache: Path) -> None:
    fill(cache, NAME, {"config.json": b"{}"})
    assert hub.cached_folder(NAME) is None


def test_the_branch_without_timm_is_taken_for_detr(cache: Path) -> None:
    fill(cache, "facebook/detr-resnet-50", {"config.json": b"{}", "model.safetensors": b""}, revision="no_timm")
    assert hub.cached_folder("facebook/detr-resnet-50") is not None
    assert hub.cached_folder("facebook/detr-resnet-50", "main") is None


def test_without_a_network_the_answer_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(CheckpointError, match="is not in the local cache"):
        resolve("nobody/nothing-of-this-name")
    assert time.monotonic() - start < 8


def hub_error(kind: type[errors.HfHubHTTPError]) -> errors.HfHubHTTPError:
    """Without its response, whose class depends on the version."""
    error = kind.__new__(kind, "404 Client Error")
    error.args = ("404 Client Error\nmore",)
    return error


@pytest.mark.parametrize(("reply", "offline", "message"), [
    (OSError("no route\nmore"), False, r"and the hub cannot be reached \(no route\)\. Where there is a network, run "),
    (OSError("no route"), True, "and HF_HUB_OFFLINE forbids fetching it"),
    (hub_error(errors.RepositoryNotFoundError), False, "There is no checkpoint someone/tiny-lxmert on the hub"),
    (hub_error(errors.RevisionNotFoundError), False, "has no revision 'v9' on the hub"),
    (hub_error(errors.GatedRepoError), False, "is given out on request only"),
])
def test_what_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, reply: Exception, offline: bool,
                                message: str) -> None:
    answers(monkeypatch, reply)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    with pytest.raises(CheckpointError, match=message) as caught:
        hub.fetch(NAME, "v9")
    assert "\n" not in str(caught.value)


BOTH = ["config.json", "open_clip_config.json", "model.safetensors", "open_clip_model.safetensors",
        "open_clip_pytorch_model.bin"]


@pytest.mark.parametrize(("files", "config", "weights"), [
    (BOTH, {"model_type": "clip"}, {"model.safetensors"}),
    (BOTH, {}, {"open_clip_model.safetensors"}),
    (BOTH, None, {"model.safetensors", "open_clip_model.safetensors"}),
    ([*BOTH[:2], BOTH[4]], {"model_type": "clip"}, {"open_clip_pytorch_model.bin"}),
    (BOTH[1:2] + BOTH[3:], {}, {"open_clip_model.safetensors"})])
def test_of_two_formats_the_one_that_is_read_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                        files: list[str], config: dict | None,
                                                        weights: set[str]) -> None:
    """Where the config.json is timm's, that is open_clip's; both where the hub says nothing of it."""
    asked: dict[str, object] = {}
    answers(monkeypatch, files, config)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: asked.update(options) or tmp_path)
    hub.fetch(NAME)
    assert {name for name in asked["allow_patterns"] if not name.endswith(".json")} == weights


def test_a_cached_checkpoint_of_open_clip_is_found(cache: Path, tiny_open_clip: Path) -> None:
    folder = fill(cache, NAME, {path.name: path.read_bytes() for path in tiny_open_clip.iterdir()})
    model = mmx.load(NAME)
    assert (model.source.folder, model.info.architecture, model.info.revision) == (folder, "CLIPModel", COMMIT)
    assert mmx.load(NAME, processor=NAME).processor.size == model.processor.size


@pytest.mark.parametrize(("files", "wanted"), [
    (["model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "config.json", "vocab.txt",
      "onnx/model.onnx", "onnx/config.json"], {"model.safetensors", "config.json", "vocab.txt"}),
    (["pytorch_model.bin", "config.yaml", "training_args.bin"], {"pytorch_model.bin", "config.yaml"}),
    (["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"],
     {"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"}),
])
def test_one_form_of_the_weights_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: list[str],
                                            wanted: set[str]) -> None:
    asked: dict[str, object] = {}

    def snapshot_download(name: str, **options: object) -> str:
        asked.update(options)
        return str(tmp_path)

    answers(monkeypatch, files)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert hub.fetch(NAME, "v2") == tmp_path
    assert set(asked["allow_patterns"]) == wanted
    assert asked["revision"] == "v2"


def test_a_download_that_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(name: str, **options: object) -> str:
        raise OSError("No space left on device")

    answers(monkeypatch, ["config.json"])
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(CheckpointError, match=r"could not be fetched from the hub: No space left on device\."):
        hub.fetch(NAME)


def names_at(path: Path, **rest: object) -> Names:
    return Names("The names", path.as_uri(), "names.txt", 2, **rest)


def test_names_are_fetched_once(tmp_path: Path, cache: Path) -> None:
    there = tmp_path / "there.txt"
    there.write_text("stop sign,stopsign\n tree \n")
    digest = hashlib.sha256(there.read_bytes()).hexdigest()
    wanted = names_at(there, sha256=digest, has_synonyms=True)
    assert hub.fetch_names(wanted) == ["stop sign", "tree"]
    there.unlink()
    assert hub.fetch_names(wanted) == ["stop sign", "tree"]
    assert [path.name for path in (cache / "mmx").iterdir()] == ["names.txt"]


@pytest.mark.parametrize(("content", "digest", "message"), [
    (None, None, "cannot be fetched from file:"), ("a\nb\n", "0" * 64, "no longer what they were"),
    ("a\n", None, "holds 1 names where there must be 2"), ("a\nb\nc", None, "holds 3 names")])
def test_names_that_are_not_what_they_were(tmp_path: Path, cache: Path, content: str | None, digest: str | None,
                                           message: str) -> None:
    there = tmp_path / "there.txt"
    if content is not None:
        there.write_text(content)
    with pytest.raises(CheckpointError, match=message):
        hub.fetch_names(names_at(there, sha256=digest))
    assert not (cache / "mmx").exists()


def test_names_out_of_json() -> None:
    assert parse_names(b'["", "a, b"]', "x.json", 2) == ["", "a, b"]
    for content in (b"{}", b"[", b"3"):
        with pytest.raises(CheckpointError, match="holds no names"):
            parse_names(content, "x.json", 0)


def test_all_that_a_checkpoint_needs_is_pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched: list[str] = []

    def note(what: str) -> Callable:
        return lambda one, *rest: fetched.append(getattr(one, "file_name", one)) or tmp_path

    monkeypatch.setattr("mmx.checkpoints.pulling.fetch", note("checkpoint"))
    monkeypatch.setattr("mmx.checkpoints.pulling.fetch_names", note("names"))
    assert len(list(pull_all("uclanlp/visualbert-vqa"))) == len(fetched) == 6
    assert fetched == ["uclanlp/visualbert-vqa", "unc-nlp/frcnn-vg-finetuned", "google-bert/bert-base-uncased",
                       "answers_vqa.txt", "objects_vocab.txt", "attributes_vocab.txt"]
    fetched.clear()
    assert len(list(pull_all("google/vit-base-patch16-224"))) == len(fetched) == 1


def test_a_tokenizer_that_lies_elsewhere(cache: Path, tiny_lxmert: Path) -> None:
    files = {path.name: path.read_bytes() for path in tiny_lxmert.iterdir()}
    words = {name: files.pop(name) for name in ("tokenizer.json", "tokenizer_config.json")}
    fill(cache, "uclanlp/visualbert-vqa", files)
    source = resolve("uclanlp/visualbert-vqa")
    with pytest.raises(CheckpointError, match="google-bert/bert-base-uncased is not in the local cache"):
        load_tokenizer(source)
    fill(cache, "google-bert/bert-base-uncased", words | {"config.json": b'{"model_type": "bert"}'})
    assert load_tokenizer(source)("red?")["input_ids"]


def test_the_catalog_knows_the_usual_ones() -> None:
    hub_ones = {entry.name: entry for entry in catalog() if not entry.shipped}
    assert isinstance(hub_ones["openai/clip-vit-large-patch14"], CatalogEntry)
    assert {need for entry in hub_ones.values() for need in entry.needs} == {
        "unc-nlp/frcnn-vg-finetuned", "google-bert/bert-base-uncased"}
