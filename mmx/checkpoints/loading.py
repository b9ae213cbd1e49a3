"""Checkpoints by shipped name, local folder or hub id: finding them, loading them, saying what is wrong."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, PreTrainedConfig, PreTrainedModel

from mmx.checkpoints import hub
from mmx.checkpoints.catalog import known_checkpoint
from mmx.checkpoints.choices import DTYPE_NAMES, Source, check_dtype, kind_of_device, resolve
from mmx.checkpoints.hub import SETTINGS_FILES, WEIGHT_FILES
from mmx.errors import CheckpointError, MmxError, UsageError

__all__ = ["DTYPES", "Source", "check_dtype", "resolve"]

DTYPES = {name: getattr(torch, name) for name in DTYPE_NAMES}

_OLD_BUFFER = "position_ids"
"""What older versions of transformers saved beside the weights: it can be left out."""
_SAVE_ANEW = "Get the checkpoint again, or save it anew with save_pretrained."

T = TypeVar("T")


def read_config(source: Source) -> PreTrainedConfig:
    if not (source.folder / "config.json").is_file():
        raise CheckpointError(f"{source.name} has no config.json.", "Is it a folder written by save_pretrained?")
    _quiet()
    return _reading(source, "config", lambda: AutoConfig.from_pretrained(source.folder, trust_remote_code=False))


def load_network(source: Source, architecture: str, *, device: str = "cpu", dtype: str = "float32") -> PreTrainedModel:
    """The model in eval mode with eager attention and frozen parameters.

    Raises:
        CheckpointError: the files are missing, broken, or lack weights that the class needs.
    """
    return load_with_leftovers(source, architecture, device=device, dtype=dtype)[0]


def load_with_leftovers(source: Source, architecture: str, *, device: str = "cpu",
                        dtype: str = "float32") -> tuple[PreTrainedModel, tuple[str, ...]]:
    """The same, and the names of weights that the class has no place for."""
    if not any(list(source.folder.glob(kind)) for kind in WEIGHT_FILES):
        raise CheckpointError(f"{source.name} has no weights (model.safetensors or pytorch_model.bin).")
    _quiet()
    network, found = _reading(source, "weights", lambda: getattr(transformers, architecture).from_pretrained(
        source.folder, attn_implementation="eager", dtype=DTYPES[dtype],
        weights_only=True, ignore_mismatched_sizes=True, output_loading_info=True))
    missing, other = sorted(found["missing_keys"]), sorted(key for key, *_ in found["mismatched_keys"])
    left = tuple(sorted(key for key in found["unexpected_keys"] if not key.endswith(_OLD_BUFFER)))
    if missing or other:
        told = [text for names, text in ((missing, f"lacks {{}} weights that {architecture} needs"),
                                         (other, "has {} in another shape"), (left, "has {} that fit nowhere"))
                if names for text in [f"{text.format(len(names))}: {named(names)}"]]
        saved = [one for one in network.config.architectures or () if one != architecture]
        why = f"It was saved from {saved[0]}. " if saved and missing else ""
        raise CheckpointError(f"{source.name} {'; '.join(told)}.", f"{why}Give a checkpoint of {architecture}.")
    for module in network.modules():
        if hasattr(module, "config"):  # how outputs are returned is not the checkpoint's to say
            module.config.return_dict = True
    return network.to(device).eval().requires_grad_(False), left


def named(names: Sequence[str]) -> str:
    """The first three of many."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def load_tokenizer(source: Source) -> Any:
    """The checkpoint's own, or the one that is known to go with it."""
    folder = source.folder
    known = known_checkpoint(source.name)
    if known and known.tokenizer and not any((folder / name).is_file() for name in hub.TOKENIZER_FILES):
        other = known.tokenizer
        folder = (hub.cached_folder(other, kinds=hub.TOKENIZER_FILES) or hub.fetch(other, kinds=hub.TOKENIZER_FILES))
    tokenizer = _reading(source, "tokenizer", lambda: AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):  # transformers makes one up, without words
        raise CheckpointError(f"{source.name} has no tokenizer, or one without words.",
                              "Save it there with the tokenizer's save_pretrained, or put its vocab.txt there.")
    return tokenizer


def load_processor(source: Source) -> Any:
    return _reading(source, "image processor", lambda: AutoImageProcessor.from_pretrained(
        source.folder, trust_remote_code=False))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors or .bin file by name; nothing in it is ever run. Raises CheckpointError."""
    try:
        found = load_file(path) if path.suffix == ".safetensors" else torch.load(
            path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, torch and pickle each raise their own kinds
        raise CheckpointError(f"The weights in {path} cannot be read: {_reason(error)}", "Get it again.") from error
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise CheckpointError(f"{path} holds no tensors by name.", "Get the file again.")
    return found


def read_extra(source: Source, file_name: str) -> dict[str, Any] | None:
    """A JSON file of mmx's own beside the weights of a local checkpoint, or None if it has none."""
    path = source.folder / file_name
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.", _SAVE_ANEW) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no JSON object.", _SAVE_ANEW)
    return found


def content_hash(folder: Path) -> str:
    """ "sha256:..." over the names and bytes of all files of a local checkpoint that decide what comes out of it."""
    files = sorted({path for kind in (*SETTINGS_FILES, *WEIGHT_FILES) for path in folder.glob(kind) if path.is_file()})
    return _hash_of(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@cache
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Weights have gigabytes: they are read again only where size or time changed."""
    total = hashlib.sha256()
    for path, *_ in files:
        total.update(path.name.encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def revision_of(source: Source) -> str:
    """The hub commit that was loaded, or the content hash of a local folder."""
    return source.commit or content_hash(source.folder)


def pick_device(wanted: str) -> str:
    """ "auto" takes CUDA, then MPS, then the CPU; a device that is not there is a UsageError."""
    kind, number = kind_of_device(wanted)
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if kind == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise UsageError(f"Device '{wanted}' was asked for, but PyTorch finds no {kind.upper()} on this machine.",
                         "Use --device cpu, or install a PyTorch build for it.")
    if number and int(number) >= torch.cuda.device_count():
        raise UsageError(f"Device '{wanted}' was asked for, but there are {torch.cuda.device_count()}, from cuda:0.")
    return wanted


def _reading(source: Source, what: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except MmxError:
        raise
    except ImportError as error:
        raise _lacks_package(f"The {what} of {source.name}", error) from error
    except Exception as error:  # transformers, safetensors and the hub each raise their own kinds
        raise CheckpointError(f"The {what} of {source.name} cannot be loaded: {_reason(error)}", _SAVE_ANEW) from error


def _lacks_package(what: str, error: ImportError) -> CheckpointError:
    """transformers asks for packages that only some checkpoints need, such as timm for the backbones of some DETRs."""
    named_package = re.search(r"requires the (\S+) library", str(error))
    if not named_package:
        return CheckpointError(f"{what} cannot be loaded: {_reason(error)}", "Install what is named.")
    package = named_package.group(1)
    return CheckpointError(f"{what} needs the package {package}, which is not installed.", f"pip install {package}")


def _reason(error: Exception) -> str:
    first, *more = str(error).strip().splitlines() or [type(error).__name__]
    if first.startswith("Weights only load failed"):
        return "they are no plain tensors, and unpickling them could run code. Only safetensors files are always safe."
    reason = " ".join([first, *more[:1]] if first.endswith(":") else [first])
    return reason if reason.endswith(".") else f"{reason}."


def _quiet() -> None:
    """Loading is silent; what matters comes as an error."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
