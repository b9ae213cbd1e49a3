"""Every import runs down: which room may know of which, read off the sources, without exceptions.

An import counts wherever it stands: at the top, inside a function, or for type checkers alone.
"""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mmx

PACKAGE = Path(mmx.__file__).parent
LONGEST = 330
MOST_FLOORS = 8

# Low to high; rooms of one floor do not know each other.
FLOORS = (
    ("arrays", "cost", "errors", "schedule", "reference", "devices", "schema", "version", "workers"),
    ("registry", "results", "rules", "files", "capture", "families", "metrics"),
    ("checkpoints", "wiring", "methods", "asking", "datasets", "images"),
    ("drafts", "elements", "engine", "perturbation", "show"),
    ("model", "shapes"),
    ("studies", "demo"),
    ("cli", "bench"),
    ("__main__",),
)
RANK = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Rooms that know less than their floor would allow.
KNOWS_ONLY = {
    "rules": {"arrays", "schedule"}, "results": {"arrays", "errors", "schema"}, "metrics": {"arrays"},
    "capture": {"arrays", "errors", "reference", "schedule"},
    "families": {"reference", "schedule"}, "show": {"arrays", "results", "errors", "files", "images"},
    "methods": {"arrays", "capture", "errors", "registry", "rules", "schedule"}, "datasets": {"errors", "files"},
    "images": {"errors", "results"}, "drafts": {"arrays", "capture", "checkpoints", "errors"}}


def modules() -> dict[str, Path]:
    """Dotted name → file of every module, without `mmx` itself."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found["mmx"]
    return found


MODULES = modules()


def imports(path: Path, names: dict[str, Path]) -> set[str]:
    """Modules of mmx that a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            home = node.module or ""
            found.update(f"{home}.{a.name}" if f"{home}.{a.name}" in names else home for a in node.names)
    return {name for name in found if name.startswith("mmx.")}


def room_of(module: str) -> str:
    return module.split(".")[1]


def wrong_arrows(files: dict[str, Path]) -> list[str]:
    wrong = []
    for importer, path in files.items():
        own = room_of(importer)
        for imported in sorted(imports(path, {**MODULES, **files})):
            other = room_of(imported)
            if own != other and (RANK[other] >= RANK[own] or other not in KNOWS_ONLY.get(own, RANK)):
                wrong.append(f"{importer} -> {imported}")
    return wrong


def test_every_room_has_a_floor() -> None:
    assert {room_of(module) for module in MODULES} == set(RANK)
    assert len(FLOORS) <= MOST_FLOORS


def test_every_import_runs_down() -> None:
    assert wrong_arrows(MODULES) == []


@pytest.mark.parametrize(("module", "text"), [
    ("mmx.rules", "import mmx.capture"), ("mmx.methods.new", "from mmx.families.base import Family"),
    ("mmx.show.new", "from mmx.model import Model"), ("mmx.images", "def f():\n    from mmx import engine"),
    ("mmx.capture", "from mmx import checkpoints"), ("mmx.model", "from mmx.cli.output import print_note"),
    ("mmx.results.new", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mmx.show import figure"),
    ("mmx.families.new", "from mmx.capture import Chosen"), ("mmx.studies.new", "from mmx.demo import page"),
    ("mmx.bench.new", "from mmx.cli.output import print_result")])
def test_an_upward_arrow_is_seen(tmp_path: Path, module: str, text: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(text)
    [arrow] = wrong_arrows({module: file})
    assert arrow.startswith(f"{module} -> mmx.")


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {importer: imports(path, MODULES) - {importer} for importer, path in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) >= set(MODULES)


def test_the_package_itself_imports_nothing_of_it_but_for_type_checkers() -> None:
    loaded = loaded_after("import mmx", all_of_it=True)
    assert {name for name in loaded if name.startswith("mmx")} == {"mmx", "mmx.version"}


def loaded_after(statement: str, all_of_it: bool = False) -> set[str]:
    """Names of the modules that a fresh interpreter holds after a statement, top-level ones unless asked for all."""
    short = "" if all_of_it else ".partition('.')[0]"
    code = f"{statement}\nimport sys\nprint(*{{name{short} for name in sys.modules}})"
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", [
    "import mmx.cli.app", "import mmx.show, mmx.images", "from mmx.checkpoints.catalog import catalog; catalog()"])
def test_what_shows_help_pictures_or_checkpoints_loads_no_torch(statement: str) -> None:
    loaded = loaded_after(statement)
    assert "mmx" in loaded
    assert not loaded & {"torch", "transformers", "torchvision", "matplotlib"}


def test_no_module_is_longer_than_one_can_read_at_a_sitting() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_a_family_is_a_table_of_eighty_lines_at_most() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines())
               for path in (PACKAGE / "families").glob("[!_]*.py") if path.stem != "base"}
    assert len(lengths) >= 9
    assert {name: length for name, length in lengths.items() if length > 80} == {}


def test_no_other_room_names_a_family() -> None:
    """What follows from a declaration asks for no family by name, and compares no task."""
    names = {path.stem for path in (PACKAGE / "families").glob("*.py")} - {"base", "__init__"}
    asked = [f"{module}: {node.value}" for module, path in MODULES.items()
             if room_of(module) not in ("families", "bench", "shapes")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Constant) and node.value in names - {"detr"}]
    assert asked == []
    assert not [module for module, path in MODULES.items() if room_of(module) != "families"
                for name in imports(path, MODULES) if name.startswith("mmx.families.") and name != "mmx.families.base"]
