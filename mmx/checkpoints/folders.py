"""What lies in a checkpoint's folder, looked at before anything of it is loaded."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mmx.checkpoints import openclip
from mmx.errors import CheckpointError, MmxError, shown_path, shown_value

T = TypeVar("T")

SAVE_ANEW = "Get the checkpoint again, or save it anew with save_pretrained."
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
SHOWN_BY = (*PROCESSOR_FILES, openclip.CONFIG)
"""Any of which says how a checkpoint is shown pictures."""
TEXT_FILES = ("*.json", "*.txt", "*.model")
_INDEX = ".index.json"
_MOST_LAYERS = 10_000
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# What transformers looks for, in this order.
_WEIGHTS = ("model.safetensors", f"model.safetensors{_INDEX}", "pytorch_model.bin", f"pytorch_model.bin{_INDEX}")
_POINTER = b"version https://git-lfs"
_OTHER_WEIGHTS = ("*.h5", "*.msgpack", "*.onnx", "*.ckpt", "*.pth", "*.pt", "*.gguf")


def read_json(path: Path) -> Any:
    """Raises CheckpointError where it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        refuse_pointers([path])
        raise CheckpointError(f"{shown_path(path)} cannot be read: {error}.", SAVE_ANEW) from error


def is_open_clip(folder: Path) -> bool:
    """Whether it is in open_clip's format and not in transformers' too: a config.json beside it may be timm's."""
    own = folder / "config.json"
    if not (folder / openclip.CONFIG).is_file():
        return False
    found = read_json(own) if own.is_file() else {}
    has_weights = any((folder / file).is_file() for file in _WEIGHTS)
    return not has_weights or (isinstance(found, dict) and "model_type" not in found)


def of_open_clip(name: str, folder: Path, told: Callable[[Any, str], T]) -> T:
    """What `told` says of the settings of a checkpoint in open_clip's format. CheckpointError where they are none."""
    path = folder / openclip.CONFIG
    found = read_json(path)
    try:
        return told(found, name)
    except MmxError:
        raise
    except Exception as error:  # whatever settings without sense lead to
        raise CheckpointError(f"{shown_path(path)} is no config of open_clip's: {type(error).__name__} "
                              f"{' '.join(str(error).split())}.", "Get the checkpoint again.") from error


def plain_config(name: str, folder: Path) -> dict[str, Any]:
    """What the config.json of the checkpoint `name` holds, or would hold.

    Raises:
        CheckpointError: there is none, it cannot be read, or nobody could build what it describes.
        UsageError: it is in open_clip's format, and transformers has no class for it.
    """
    path = folder / (openclip.CONFIG if is_open_clip(folder) else "config.json")
    if not path.is_file():
        raise CheckpointError(f"{name} has no config.json.",
                              what_it_is(folder) or "Is it a folder written by save_pretrained?")
    found = of_open_clip(name, folder, openclip.config) if path.name == openclip.CONFIG else read_json(path)
    if not isinstance(found, dict):
        raise CheckpointError(f"{shown_path(path)} is no config of a checkpoint.", SAVE_ANEW)
    for part in (found, *(one for one in found.values() if isinstance(one, dict))):
        for key, value in part.items():
            if "layers" in key and isinstance(value, int) and value > _MOST_LAYERS:
                raise CheckpointError(f"{shown_path(path)} says {shown_value(value)} of {shown_value(key)}: no "
                                      "checkpoint has so many.", SAVE_ANEW)
            if key.endswith("_eps") and not (isinstance(value, float | int) and 0 <= value <= 1):
                raise CheckpointError(f"{shown_path(path)} says {shown_value(value)} of {shown_value(key)}: it is a "
                                      "small number.", SAVE_ANEW)
    return found


def processor_settings(name: str, folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """The settings of the image processor of the checkpoint `name`, and where they are.

    As transformers takes them: first those inside processor_config.json, then the file of their own.

    Raises:
        CheckpointError: there are none, or they are no JSON object.
    """
    files = [folder / file for file in PROCESSOR_FILES if (folder / file).is_file()]
    refuse_pointers(files)
    found = [(path, read_json(path)) for path in reversed(files)]
    for path, content in found:
        if not isinstance(content, dict):
            raise CheckpointError(f"{shown_path(path)} holds no JSON object.", "Save the image processor anew.")
        if path.name == PROCESSOR_FILES[1] and isinstance(content.get("image_processor"), dict):
            return path, content["image_processor"]
    for path, content in found:
        if path.name == PROCESSOR_FILES[0]:
            return path, content
    if is_open_clip(folder):
        return folder / openclip.CONFIG, of_open_clip(name, folder, openclip.processor)
    raise CheckpointError(
        f"{name} has no preprocessor_config.json, which says how it is shown pictures.",
        "Save it there with the image processor's save_pretrained, or take that of the checkpoint that it was "
        f'trained from: `processor="{_trained_from(folder)}"`.')


def _trained_from(folder: Path) -> str:
    config = folder / "config.json"
    found = read_json(config) if config.is_file() else None
    named = found.get("_name_or_path") if isinstance(found, dict) else None
    return named if isinstance(named, str) and _HUB_ID.fullmatch(named) else "ID"


def weight_files(name: str, folder: Path) -> list[Path]:
    """The files that hold the weights of the checkpoint `name`, each inside its folder.

    Raises:
        CheckpointError: there are none, an index names what is no file of the folder, or one is a git-lfs pointer.
    """
    for index in sorted(folder.glob(f"*{_INDEX}")):  # any of them: which one is taken is not ours to decide
        _check_index(index)
    foreign = is_open_clip(folder)
    files = openclip.WEIGHTS if foreign else _WEIGHTS
    first = next((folder / file for file in files if (folder / file).is_file()), None)
    explicit = None if foreign else read_json(folder / "config.json").get("transformers_weights")
    if isinstance(explicit, str):
        first = folder / explicit
    if first is None:
        raise CheckpointError(f"{name} has no weights ({files[0]} or {files[-1 if foreign else 2]}).",
                              what_it_is(folder) or "Is it a folder written by save_pretrained?")
    if not first.name.endswith(_INDEX):
        refuse_pointers([first])
        return [first]
    shards = sorted({folder / shard for shard in _shards(first)})
    for shard in shards:
        if not shard.is_file():
            raise CheckpointError(f"{shown_path(first)} names {shard.name}, which is not there.",
                                  "Get the missing file from where the others came from.")
    refuse_pointers(shards)
    return shards


def _shards(index: Path) -> set[str]:
    found = read_json(index)
    named = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(named, dict) or not named or not all(isinstance(shard, str) for shard in named.values()):
        raise CheckpointError(f"{shown_path(index)} has no weight_map of file names.", SAVE_ANEW)
    return set(named.values())


def _check_index(index: Path) -> None:
    for shard in sorted(_shards(index)):
        if shard in ("", ".", "..") or "/" in shard or "\\" in shard or (index.parent / shard).is_dir():
            raise CheckpointError(f"{shown_path(index)} names {shown_path(shard)!r}, which is no file of its folder.",
                                  "Put the file there, and its plain name into weight_map.")


def refuse_pointers(files: Iterable[Path]) -> None:
    """Raises CheckpointError for a file that git left in the place of a large one."""
    for path in files:
        try:
            with path.open("rb") as file:
                is_pointer = file.read(len(_POINTER)) == _POINTER
        except OSError:
            continue
        if is_pointer:
            raise CheckpointError(f"{shown_path(path)} is a git-lfs pointer, not the file itself.",
                                  f"Run 'git lfs install' and 'git lfs pull' in {shown_path(path.parent)}, or "
                                  "download the file.")


def text_files(folder: Path) -> list[Path]:
    """Settings and vocabularies."""
    return [path for kind in TEXT_FILES for path in folder.glob(kind)]


def what_it_is(folder: Path) -> str | None:
    """What to do with a folder that is no checkpoint but was most likely meant as one."""
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    steps = [path for path in inside if re.fullmatch(r"checkpoint-\d+", path.name)]
    if steps:
        last = max(steps, key=lambda path: int(path.name.rpartition("-")[2]))
        return f"It is a Trainer's folder: name one of the checkpoints in it, such as {shown_path(last)}."
    if (folder / "snapshots").is_dir():
        hub_id = folder.name.removeprefix("models--").replace("--", "/")
        snapshots = "".join(f", or {shown_path(one)}" for one in sorted((folder / "snapshots").iterdir())[:1])
        return f"It is a folder of the hub's cache: name the checkpoint {hub_id}{snapshots}."
    cached = [path.name.removeprefix("models--").replace("--", "/") for path in (*inside, *_folders(folder / "hub"))
              if path.name.startswith("models--")]
    if cached:
        return f"It is the hub's cache: name a checkpoint in it, such as {cached[0]}."
    if (folder / "adapter_config.json").is_file():
        base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
        return (f"It is a PEFT adapter{f' of {base}' if base else ''}: load it with peft, merge it with "
                "merge_and_unload(), and save the result with save_pretrained.")
    if any(folder.glob("open_clip_*")):
        return f"It is in open_clip's format: {openclip.CONFIG} and {' or '.join(openclip.WEIGHTS)} belong together."
    holding = [path for path in inside if (path / "config.json").is_file()]
    if (folder / "modules.json").is_file():
        named = f": name the model inside it, {shown_path(holding[0])}" if holding else ""
        return f"It is a sentence-transformers folder{named or ', without a model of transformers inside'}."
    if holding:
        return f"A folder inside it holds one: name {' or '.join(shown_path(path) for path in holding[:3])}."
    others = [path.name for kind in _OTHER_WEIGHTS for path in sorted(folder.glob(kind))]
    if others:
        return f"What is there ({others[0]}) is another format: save the model with transformers' save_pretrained."
    return None


def _folders(path: Path) -> list[Path]:
    return [one for one in sorted(path.iterdir()) if one.is_dir()] if path.is_dir() else []
