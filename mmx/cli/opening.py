"""The model and methods that a command line asks for."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mmx.checkpoints.catalog import Default, default_for, default_model
from mmx.cli.output import print_note
from mmx.errors import UsageError

if TYPE_CHECKING:
    from mmx.model import Model

_MOST = 64
_BYTES = {"": 1, "b": 1, **{f"{prefix}{unit}": size ** power for power, prefix in enumerate("kmgt", 1)
                            for unit, size in (("", 1000), ("b", 1000), ("ib", 1024))}}
_MEMORY = re.compile(rf"([0-9]{{1,15}}(?:\.[0-9]{{1,9}})?)\s*({'|'.join(_BYTES)})", re.IGNORECASE)


def open_model(name: str | None, revision: str | None, regions: str | None, device: str, dtype: str,
               quiet: bool, default: Default | None = None, features: Path | None = None,
               answers: Path | None = None, processor: str | None = None, *, outlined: bool = False) -> "Model":
    """The model that was asked for, or the default one, which is then named on stderr; `outlined`: without weights."""
    from mmx.model import load, outline

    options, question = parse_regions(regions), default_for(["question"])
    default = default or question
    chosen, origin = chosen_model(name, default)
    if not quiet and origin is None:
        said = "" if default == question else f" for {default.what}"
        print_note(f"using {chosen}{said}, which ships with mmx and knows drawn shapes only; "
                   f"for photographs: --model {default.for_photographs}")
    elif not quiet and origin != "--model":
        print_note(f"using {chosen}, as {origin} says")
    opened = outline if outlined else load
    model = opened(chosen, device, dtype, revision=revision, regions=options, features=features, answers=answers,
                   processor=processor)
    # A broken tokenizer or detector is one error, not one for each picture.
    if not outlined:
        model.load_all()
    for note in () if quiet else model.warnings:
        print_note(note)
    return model


def chosen_model(name: str | None, default: Default | None = None) -> tuple[str, str | None]:
    """The checkpoint that is named, or else the default one, and where that was set; None is mmx itself."""
    own = default or default_for(["question"])
    return default_model(typer.get_app_dir("mmx"), own.name) if name is None else (name, "--model")


def parse_memory(text: str | None) -> int | None:
    """ "2GB", "1.5 GiB" or plain bytes as a number of bytes."""
    if text is None:
        return None
    found = _MEMORY.fullmatch(text.strip())
    size = float(found[1]) * _BYTES[found[2].lower()] if found else 0
    if not found or size < 1:
        raise UsageError(f"--max-memory '{text}' is no size.", "Write it as 2GB, 500MB, 1GiB or a number of bytes.")
    return int(size)


def parse_regions(text: str | None) -> dict[str, Any] | None:
    """ "grid", "grid:6x8", "frcnn" or "frcnn:FOLDER" as a region provider's options."""
    if text is None:
        return None
    kind, colon, size = text.partition(":")
    if kind in ("frcnn", "frcnn-iccv21"):
        channels = {"channels": "reference"} if kind == "frcnn-iccv21" else {}
        return {"provider": "frcnn", **channels, **({"checkpoint": size} if size else {})}
    if kind != "grid":
        raise UsageError(f"--regions '{text}' is not known.",
                         "Give 'grid', 'grid:ROWSxCOLUMNS', 'frcnn' or 'frcnn:FOLDER'.")
    if not colon:
        return {"provider": "grid"}
    rows, _, columns = size.lower().partition("x")
    if not (_is_count(rows) and _is_count(columns)):
        raise UsageError(f"--regions '{text}' has no size.", f"Write it as grid:6x8, each from 1 to {_MOST}.")
    return {"provider": "grid", "rows": int(rows), "columns": int(columns)}


def _is_count(text: str) -> bool:
    return len(text) < 4 and text.isdecimal() and 1 <= int(text) <= _MOST
