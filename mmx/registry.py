"""Names are files: a method or a family exists because its module lies in its folder.

Looking up a name imports one module; listing names imports none, so that `--help` needs no torch.
"""

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mmx.errors import UsageError


def module_names(package: str) -> list[str]:
    """Modules of `mmx.<package>`, without `base` and private ones, sorted."""
    folder = Path(__file__).parent / package
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "base" and not path.stem.startswith("_"))


def load_module(package: str, name: str) -> ModuleType:
    return import_module(f"mmx.{package}.{name}")


def unknown_name(kind: str, name: str, known: list[str], also: tuple[str, ...] = ()) -> UsageError:
    """The error for a name that is not there, with the nearest one that is (`also` holds unlisted aliases)."""
    close = get_close_matches(name.lower(), [*known, *also], n=1, cutoff=0.5)
    suggestion = f"Did you mean '{close[0]}'? " if close else ""
    return UsageError(f"No {kind} named '{name}'.", f"{suggestion}There are: {', '.join(known)}.")
