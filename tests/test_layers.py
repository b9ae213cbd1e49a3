"""Every import runs down: which room may know of which, read off the sources."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mmx

PACKAGE = Path(mmx.__file__).parent
LONGEST = 300

# Low to high; rooms of one floor do not know each other.
FLOORS = (
    ("errors", "schedule", "metrics"),
    ("types", "results", "files", "devices", "registry", "catalog", "lrp", "rules", "recording"),
    ("images", "hub", "capture"),
    ("checkpoints", "pulling"),
    ("datasets", "regions", "methods"),
    ("families",),
    ("engine",),
    ("tasks",),
    ("explainer",),
    ("render", "show"),
    ("shapes", "inspection"),
    ("studies", "demo"),
    ("cli",),
    ("bench", "__main__"),
)
RANK = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Rooms that know less than their floor would allow.
KNOWS_ONLY = {"render": {"types", "errors"}, "methods": {"capture", "registry", "rules", "schedule"},
              "rules": {"schedule"}, "metrics": set(), "datasets": {"errors", "images"}}
# A result can draw and save itself: imported when it does, not before.
ON_DEMAND = {("mmx.types", "mmx.render"), ("mmx.explainer", "mmx.studies")}


def modules() -> dict[str, Path]:
    """Dotted name → file of every module, without `mmx` itself."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found["mmx"]
    return found


MODULES = modules()


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(path: Path, names: dict[str, Path]) -> set[str]:
    """Modules of mmx that a file imports anywhere, inside functions too, but not for type checkers alone."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if is_type_checking(node):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            home = node.module or ""
            found.update(f"{home}.{a.name}" if f"{home}.{a.name}" in names else home for a in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {name for name in found if name.startswith("mmx.")}


def room_of(module: str) -> str:
    return module.split(".")[1]


def is_on_demand(importer: str, imported: str) -> bool:
    return (importer, ".".join(imported.split(".")[:2])) in ON_DEMAND


def wrong_arrows(files: dict[str, Path]) -> list[str]:
    wrong = []
    for importer, path in files.items():
        own = room_of(importer)
        for imported in sorted(imports(path, {**MODULES, **files})):
            other = room_of(imported)
            if own == other or is_on_demand(importer, imported):
                continue
            if RANK[other] >= RANK[own] or other not in KNOWS_ONLY.get(own, RANK):
                wrong.append(f"{importer} -> {imported}")
    return wrong


def test_every_room_has_a_floor() -> None:
    assert {room_of(module) for module in MODULES} == set(RANK)


def test_every_import_runs_down() -> None:
    assert wrong_arrows(MODULES) == []


@pytest.mark.parametrize(("module", "text"), [
    ("mmx.rules", "import mmx.capture"), ("mmx.methods.new", "from mmx.families.base import Family"),
    ("mmx.render.new", "from mmx.images import open_picture"), ("mmx.images", "def f():\n    from mmx import engine"),
    ("mmx.capture", "from mmx import checkpoints"), ("mmx.explainer", "from mmx.cli.output import print_note"),
])
def test_an_upward_arrow_is_seen(tmp_path: Path, module: str, text: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(text)
    [arrow] = wrong_arrows({module: file})
    assert arrow.startswith(f"{module} -> mmx.")


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {importer: {imported for imported in imports(path, MODULES) if not is_on_demand(importer, imported)}
             for importer, path in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) >= set(MODULES)


def test_importing_the_package_alone_imports_nothing_of_it() -> None:
    assert imports(PACKAGE / "__init__.py", MODULES) == set()


def loaded_after(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import mmx.cli.app", "import mmx.render.report, mmx.render.sheet, mmx.images"])
def test_what_shows_help_or_pictures_loads_no_torch(statement: str) -> None:
    loaded = loaded_after(statement)
    assert "mmx" in loaded
    assert not loaded & {"torch", "transformers", "torchvision"}


def test_no_module_is_longer_than_one_can_read_at_a_sitting() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
