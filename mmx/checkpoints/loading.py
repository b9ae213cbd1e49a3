"""Checkpoints by shipped name, local folder or hub id: finding them, loading them, saying what is wrong."""

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from mmx.checkpoints import hub, openclip
from mmx.checkpoints.catalog import known_checkpoint
from mmx.checkpoints.choices import DTYPE_NAMES, Source, check_dtype, kind_of_device, resolve
from mmx.checkpoints.families import architectures_of
from mmx.checkpoints.folders import (
    SAVE_ANEW,
    is_open_clip,
    of_open_clip,
    plain_config,
    read_json,
    refuse_pointers,
    text_files,
    weight_files,
)
from mmx.checkpoints.hub import SETTINGS_FILES, WEIGHT_FILES
from mmx.checkpoints.openclip_weights import weights_of
from mmx.errors import CheckpointError, MmxError, UsageError, shown_value
from mmx.files import hash_of_files

__all__ = ["DTYPES", "Source", "check_dtype", "resolve"]

DTYPES = {name: getattr(torch, name) for name in DTYPE_NAMES}

_OLD_BUFFER = "position_ids"
"""What older versions of transformers saved beside the weights: it can be left out."""

T = TypeVar("T")


def read_config(source: Source) -> PreTrainedConfig:
    """Raises CheckpointError where it is missing or broken."""
    plain = plain_config(source.name, source.folder)
    quiet()
    if is_open_clip(source.folder):
        made = getattr(transformers, plain["architectures"][0]).config_class
        return reading(source, "config", lambda: made(**plain))
    return reading(source, "config", lambda: _without_the_hub(plain) or AutoConfig.from_pretrained(
        source.folder, trust_remote_code=False))


def _without_the_hub(raw: dict[str, Any]) -> PreTrainedConfig | None:
    """A config with settings for timm's backbone, of which transformers asks the hub whether it is a checkpoint."""
    given = raw.get("backbone_kwargs")
    if not given or raw.get("backbone_config") or not raw.get("use_timm_backbone", True):
        return None
    settings = {"out_indices": [1, 2, 3, 4], "num_channels": raw.get("num_channels", 3), **given}
    if "in_chans" in settings:
        settings["num_channels"] = settings.pop("in_chans")
    if raw.get("dilation"):
        settings.setdefault("output_stride", 16)
    raw["backbone_config"] = {"model_type": "timm_backbone", "backbone": raw.get("backbone"), "features_only": True,
                              **settings}
    left_out = ("backbone", "backbone_kwargs", "use_timm_backbone", "use_pretrained_backbone", "dilation")
    return AutoConfig.for_model(**{name: value for name, value in raw.items() if name not in left_out})


def load_network(source: Source, architecture: str, *, device: str = "cpu", dtype: str = "float32") -> PreTrainedModel:
    """The model in eval mode, with frozen parameters and the fastest attention that its class has.

    Raises:
        CheckpointError: the files are missing, broken, or lack weights that the class needs.
    """
    return load_with_leftovers(source, architecture, device=device, dtype=dtype)[0]


def load_with_leftovers(source: Source, architecture: str, *, device: str = "cpu",
                        dtype: str = "float32") -> tuple[PreTrainedModel, tuple[str, ...]]:
    """The same, and the names of weights that the class has no place for."""
    config, model_class = read_config(source), getattr(transformers, architecture)
    saved = architectures_of(config)
    if saved and architecture not in saved:
        raise CheckpointError(f"{source.name} was saved from {saved[0]}, by its config.json.",
                              f"Give a checkpoint of {architecture}.")
    [first, *_] = weight_files(source.name, source.folder)
    quiet()
    foreign = is_open_clip(source.folder)
    settings, converted = "config.json", None
    if foreign:
        settings, converted = openclip.CONFIG, weights_of(read_tensors(first), architecture)
    network, found = reading(source, "weights", lambda: model_class.from_pretrained(
        None if foreign else source.folder, state_dict=converted,
        config=config if isinstance(config, model_class.config_class) else None,
        dtype=DTYPES[dtype], weights_only=True, ignore_mismatched_sizes=True, output_loading_info=True))
    missing = sorted(found["missing_keys"])
    other = [f"{key} ({_in_words(file)} in the file, {_in_words(model)} by {settings})"
             for key, file, model in sorted(found["mismatched_keys"])]
    left = tuple(sorted(key for key in found["unexpected_keys"] if not key.endswith(_OLD_BUFFER)))
    if missing or other:
        told = [text for names, text in ((missing, f"lacks {{}} weights that {architecture} needs"),
                                         (other, "has {} in another shape"), (left, "has {} that fit nowhere"))
                if names for text in [f"{text.format(len(names))}: {named(names)}"]]
        raise CheckpointError(f"{source.name} {'; '.join(told)}.",
                              _classes_hint(source) if other else f"Give a checkpoint of {architecture}.")
    _check_finite(source, network, dtype)
    for module in network.modules():
        if hasattr(module, "config"):  # how outputs are returned is not the checkpoint's to say
            module.config.return_dict, module.config.output_hidden_states = True, False
    return network.to(device).eval().requires_grad_(False), left


def outline(source: Source, architecture: str, *, device: str = "cpu",
            dtype: str = "float32") -> tuple[PreTrainedModel, tuple[str, ...]]:
    """The model without a number in it, and without memory: see `mmx.cost`. Its weights are not read."""
    from mmx.cost import without_numbers  # PyTorch's compiler comes with it

    config, model_class = read_config(source), getattr(transformers, architecture)
    quiet()

    def made() -> PreTrainedModel:
        with torch.device(device), no_init_weights():
            return model_class._from_config(config, dtype=DTYPES[dtype])

    network = reading(source, "config", lambda: without_numbers(made))
    network.eval().requires_grad_(False)
    return network, ()


def _in_words(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _classes_hint(source: Source) -> str:
    of_another = "Its {} is of another checkpoint than its weights: sizes and classes must be theirs."
    if is_open_clip(source.folder):
        return of_another.format(openclip.CONFIG)
    if read_json(source.folder / "config.json").get("id2label"):
        return of_another.format("config.json")
    return ("Its config.json has no id2label, so that transformers takes two classes: add id2label with a name for "
            "each, or give the config.json that was saved with the weights.")


def _check_finite(source: Source, network: PreTrainedModel, dtype: str) -> None:
    broken = [name for name, weights in network.named_parameters() if not torch.isfinite(weights).all()]
    if broken:
        why = " The largest number in float16 is 65504: take float32 or bfloat16." if dtype == "float16" else ""
        files = " and ".join(path.name for path in weight_files(source.name, source.folder)[:2])
        raise CheckpointError(f"{source.name} has weights that are not finite (NaN or infinite) in {files}: "
                              f"{named(broken)}.{why}", SAVE_ANEW if not why else None)


def named(names: Sequence[str]) -> str:
    """The first three of many."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def load_tokenizer(source: Source, other: Source | None = None) -> Any:
    """The checkpoint's own; where it has none, that of `other`, or the one that is known to go with it."""
    elsewhere = tokenizer_elsewhere(source, other)
    folder, foreign = elsewhere or source.folder, is_open_clip(source.folder)
    refuse_pointers(text_files(folder))
    settings = {"config": read_config(source)} if foreign and elsewhere is None else {}
    tokenizer = reading(source, "tokenizer",
                        lambda: AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **settings))
    if foreign:
        of_open_clip(source.name, source.folder, openclip.cleaning)(tokenizer)
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):  # transformers makes one up, without words
        raise CheckpointError(f"{source.name} has no tokenizer, or one without words.",
                              "Save it there with the tokenizer's save_pretrained, or put its vocab.txt there.")
    if not isinstance(tokenizer.model_max_length, int | float):
        raise CheckpointError(f"The tokenizer_config.json of {source.name} has the model_max_length "
                              f"{shown_value(tokenizer.model_max_length)}.", "Write a number of tokens there.")
    return tokenizer


def tokenizer_elsewhere(source: Source, other: Source | None = None) -> Path | None:
    """The folder of `load_tokenizer`'s tokenizer where that is not the checkpoint's own."""
    known = known_checkpoint(source.name)
    if any((source.folder / name).is_file() for name in (*hub.TOKENIZER_FILES, "vocab.json")):
        return None
    if other is not None:
        return other.folder
    whose = None if known is None else known.tokenizer
    if whose is None and is_open_clip(source.folder):
        whose = of_open_clip(source.name, source.folder, openclip.tokenizer)
    if whose is None:
        return None
    return hub.cached_folder(whose, kinds=hub.TOKENIZER_FILES) or hub.fetch(whose, kinds=hub.TOKENIZER_FILES)


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
    found = read_json(path)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no JSON object.", SAVE_ANEW)
    return found


def content_hash(folder: Path, kinds: Sequence[str] = (*SETTINGS_FILES, *WEIGHT_FILES)) -> str:
    """ "sha256:..." over the names and bytes of all files of a local checkpoint that decide what comes out of it."""
    return hash_of_files(path for kind in kinds for path in folder.glob(kind) if path.is_file())


def revision_of(source: Source) -> str:
    """The hub commit that was loaded, or the content hash of a local folder."""
    return source.commit or content_hash(source.folder)


def pick_device(named: str | torch.device) -> str:
    """ "auto" takes CUDA, then MPS, then the CPU; a device that is not there is a UsageError."""
    wanted = str(named)
    kind, number = kind_of_device(wanted)
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if kind == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise UsageError(f"Device '{wanted}' was asked for, but PyTorch finds no {kind.upper()} on this machine.",
                         "Use `device=\"cpu\"`, or install a PyTorch build for it.")
    if number and int(number) >= torch.cuda.device_count():
        raise UsageError(f"Device '{wanted}' was asked for, but there are {torch.cuda.device_count()}, from cuda:0.")
    return wanted


def reading(source: Source, what: str, read: Callable[[], T]) -> T:
    """What `read` gives; whatever it raises becomes a CheckpointError that names the checkpoint."""
    try:
        return read()
    except MmxError:
        raise
    except ImportError as error:
        raise _lacks_package(f"The {what} of {source.name}", error) from error
    except Exception as error:  # transformers, safetensors and the hub each raise their own kinds
        raise CheckpointError(f"The {what} of {source.name} cannot be loaded: {_reason(error)}", SAVE_ANEW) from error


def _lacks_package(what: str, error: ImportError) -> CheckpointError:
    """transformers asks for packages that only some checkpoints need, such as timm for the backbones of some DETRs."""
    named_package = re.search(r"requires the (\S+) library|Package `(\S+)` is required", str(error))
    if not named_package:
        return CheckpointError(f"{what} cannot be loaded: {_reason(error)}", "Install what is named.")
    package = named_package.group(1) or named_package.group(2)
    return CheckpointError(f"{what} needs the package {package}, which is not installed.", f"pip install {package}")


def _reason(error: Exception) -> str:
    first, *more = str(error).strip().splitlines() or [type(error).__name__]
    if first.startswith("Weights only load failed"):
        return "they are no plain tensors, and unpickling them could run code. Only safetensors files are always safe."
    reason = " ".join([first, *more[:1]] if first.endswith(":") else [first])
    return reason if reason.endswith(".") else f"{reason}."


def quiet() -> None:
    """Loading is silent; what matters comes as an error."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
