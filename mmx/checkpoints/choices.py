"""Which checkpoint, on which device, in which numbers: what is asked for is looked up without loading torch."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmx.checkpoints.catalog import WEIGHTS, catalog, shipped_names
from mmx.checkpoints.hub import WEIGHT_FILES, cached_folder, fetch
from mmx.errors import UsageError, unknown_name

if TYPE_CHECKING:
    import torch

DTYPE_NAMES = ("float32", "float64", "bfloat16", "float16")
_DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Source:
    """Where a checkpoint is: `folder` on this disk; `name` is what the user calls it, `commit` the hub's, if any."""

    name: str
    folder: Path
    shipped: bool = False
    commit: str | None = None


def resolve(name: str | Path, revision: str | None = None, kinds: Sequence[str] = WEIGHT_FILES) -> Source:
    """What a name stands for: a shipped checkpoint, a local folder, or else a hub id, which is fetched if need be.

    Args:
        kinds: of the files beside its settings, the first kind that it has.
    """
    text = str(name)
    if text in shipped_names():
        return Source(text, WEIGHTS / text, shipped=True)
    if not text.strip():
        raise UsageError("The name of the checkpoint is empty.", "Give one that 'mmx models' lists, or a folder.")
    path = os.path.expanduser(text)
    if os.path.isdir(path):
        return Source(text, Path(path))
    if os.path.exists(path):
        raise UsageError(f"{text} is a file; a checkpoint is a folder in from_pretrained layout.")
    owner, slash, rest = text.partition("/")
    if not slash or not owner or not rest or "/" in rest or text.startswith((".", "~")):
        if slash:
            raise UsageError(f"There is no checkpoint folder {text}.")
        raise unknown_name("checkpoint", text, [entry.name for entry in catalog()])
    folder = cached_folder(text, revision, kinds) or fetch(text, revision, kinds)
    return Source(text, folder, commit=folder.name)


def check_dtype(named: "str | torch.dtype") -> str:
    """Its name; "auto" is float32. Raises UsageError where there is none."""
    wanted = str(named).removeprefix("torch.")
    if wanted == "auto":
        return "float32"
    if wanted not in DTYPE_NAMES:
        raise unknown_name("dtype", wanted, DTYPE_NAMES)
    return wanted


def kind_of_device(wanted: str) -> tuple[str, str]:
    """ "cuda:1" as "cuda" and "1". Raises UsageError where no machine has such a device."""
    kind, colon, number = wanted.partition(":")
    if kind not in _DEVICES or (colon and not (kind == "cuda" and number.isdecimal())):
        raise UsageError(f"No device named '{wanted}'.", f"There are: {', '.join(_DEVICES)}.")
    return kind, number
