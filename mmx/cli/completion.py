"""What the shell offers after Tab: names of methods and groups, of checkpoints, and of what a checkpoint knows."""

import json
from collections.abc import Sequence
from glob import escape, glob
from pathlib import Path

import typer


def complete_method(incomplete: str) -> list[str]:
    """The last of several names between commas."""
    from mmx.methods import GROUPS, method_names

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in (*method_names(), *GROUPS) if name.startswith(last)]


def complete_model(incomplete: str) -> list[str]:
    """Checkpoints that mmx knows, and folders."""
    from mmx.checkpoints.catalog import catalog

    known = [entry.name for entry in catalog() if entry.name.startswith(incomplete)]
    return [*known, *sorted(path for path in glob(f"{escape(incomplete)}*/") if incomplete)]


def complete_target(context: typer.Context, incomplete: str) -> list[str]:
    """Answers where there is a question, else classes."""
    return _labels(context, ["question" if context.params.get("question") else "targets"], incomplete)


def complete_class(context: typer.Context, incomplete: str) -> list[str]:
    return _labels(context, ["class_name"], incomplete)


def _labels(context: typer.Context, asked: Sequence[str], incomplete: str) -> list[str]:
    """By the config of --model, where it lies on this machine; nothing is fetched."""
    from mmx.checkpoints.catalog import WEIGHTS, default_for

    name = context.params.get("model") or default_for(asked).name
    for folder in (WEIGHTS / name, Path(name).expanduser()):
        try:
            names = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"].values()
        except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
            continue
        return [name for name in names if isinstance(name, str) and name.lower().startswith(incomplete.lower())]
    return []
