"""Small random checkpoints in from_pretrained layout: one file a family, a function `tiny_...` for each checkpoint.

Each is a fixture of that name: the folder, made once a process.
"""

import re
from importlib import import_module
from pathlib import Path

_MAKER = re.compile(r"^def (tiny_\w+)\(", re.MULTILINE)


def tiny_names() -> dict[str, str]:
    """Checkpoint → the file that makes it, dotted. Nothing heavy is imported."""
    home = Path(__file__).parent
    return {name: ".".join(file.relative_to(home).with_suffix("").parts) for file in sorted(home.rglob("[!_]*.py"))
            for name in _MAKER.findall(file.read_text(encoding="utf-8"))}


def make_tiny(name: str, folder: Path) -> Path:
    """The checkpoint of that name, in a folder in `folder`."""
    place = folder / name.replace("_", "-")
    getattr(import_module(f"tiny.{tiny_names()[name]}"), name)(place)
    return place
