"""What a command imports, read off `sys.modules` at the end of a process of its own, and how that process ends."""

import gc
import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmx as package
from mmx.cli.app import Commands
from mmx.cli.commands import LazyCommand
from mmx.cli.lazy_imports import postpone_imports, without_collector

REPOSITORY = Path(package.__file__).parents[1]
PROGRAM = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
sys.argv = ["mmx", *sys.argv[1:]]
from mmx.__main__ import main
main()
"""
COMPILER = {"torch._dynamo.convert_frame", "torch._dynamo.symbolic_convert", "torch._inductor", "triton"}
OPTIMIZERS = {"scipy.optimize._optimize", "scipy.optimize._linprog"}


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MMX_")}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False,
                          timeout=200, env={**environment, "PYTHONPATH": str(REPOSITORY)})


def modules_after(*arguments: str) -> set[str]:
    done = run(PROGRAM, *arguments)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_no_command_and_nothing_that_it_does_not_show() -> None:
    loaded = modules_after("--help")
    assert "typer.rich_utils" in loaded
    assert {name for name in loaded if name.startswith("mmx.")} == {
        "mmx.version", "mmx.errors", "mmx.schema", "mmx.__main__", "mmx.cli", "mmx.cli.app", "mmx.cli.commands",
        "mmx.cli.errors", "mmx.cli.fields", "mmx.cli.lazy_imports", "mmx.cli.output", "mmx.cli.progress"}
    assert not loaded & {"torch", "numpy", "PIL", "transformers", "markdown_it", "pygments", "attr", "logging",
                         "asyncio", "importlib.metadata", "email", "tempfile", "rich.progress"}


def test_a_command_imports_no_other() -> None:
    loaded = modules_after("methods", "--json")
    assert "mmx.cli.listing" in loaded
    assert not loaded & {"torch", "numpy", "mmx.cli.explain", "mmx.cli.models", "mmx.cli.segment", "mmx.cli.shapes"}


def test_an_explanation_imports_no_compiler_and_no_optimizers(tmp_path: Path) -> None:
    loaded = modules_after("explain", str(REPOSITORY / "sample_inputs" / "scene-5029.png"), "-q",
                           "what color is the circle?", "-o", str(tmp_path))
    assert {"torch", "transformers.models.lxmert.modeling_lxmert", "torchvision.ops"} <= loaded
    assert not loaded & (COMPILER | OPTIMIZERS)
    assert not loaded & {"pandas", "sklearn", "tensorflow", "flax", "pycocotools", "gradio", "timm",
                         "matplotlib.pyplot"}


def test_a_detector_s_image_processor_imports_no_compiler(tiny_detr: Path, tmp_path: Path) -> None:
    loaded = modules_after("explain", str(REPOSITORY / "sample_inputs" / "scene-5029.png"), "--query", "1", "--format",
                           "json", "--model", str(tiny_detr), "-o", str(tmp_path))
    assert "torchvision.transforms.v2" in loaded
    assert not loaded & (COMPILER | OPTIMIZERS)


@pytest.mark.parametrize(("name", "told"), Commands.lazy.items())
def test_the_line_in_the_list_of_commands_is_what_the_command_says_of_itself(name: str, told: tuple[str, str]) -> None:
    command = LazyCommand(name, *told)
    first, *_ = inspect.cleandoc(command.itself.help).split("\n\n")
    assert first.replace("\n", " ") == told[1] and command.itself.name == name


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of which some names are put off: `box.Thing`, `box.mark` and `box.tools.double`."""
    folder = tmp_path / "box"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "import box.other\nclass Thing:\n    size = 3\n    def __init__(self, size=1):\n        self.size = size\n"
        "def mark(function):\n    raise AssertionError\nEXTRA = 7\n")
    (folder / "tools.py").write_text("def double(number):\n    return 2 * number\n")
    (folder / "other.py").write_text("LOADED = [1]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("mmx.cli.lazy_imports.MARKS", {"mark"})
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    postpone_imports({"box": frozenset({"Thing", "mark"}), "box.tools": frozenset({"double"})})
    yield "box.other"
    for name in [name for name in sys.modules if name.partition(".")[0] == "box"]:
        del sys.modules[name]


def test_names_that_are_only_imported_load_nothing(heavy: str) -> None:
    from box import Thing, mark  # type: ignore[import-not-found]
    from box.tools import double  # type: ignore[import-not-found]

    assert mark(len) is len and mark()(len) is len
    assert not isinstance(3, Thing)
    assert (Thing | None) is not None and double is not None
    assert heavy not in sys.modules


def test_what_is_called_is_itself(heavy: str) -> None:
    from box import Thing
    from box.tools import double

    assert double(21) == 42 and heavy in sys.modules
    one = Thing(5)
    assert one.size == 5 and Thing.size == 3 and isinstance(one, Thing) and not isinstance(3, Thing)
    assert type(one) is sys.modules["box"].Thing


@pytest.mark.parametrize("statement", [
    "import box; found = box.EXTRA", "from box import EXTRA as found", "import box.other as other; found = 7",
    "import box.tools, box.other; found = box.EXTRA", "import box; box.Thing(); found = box.EXTRA",
    "import box as before, box.other as other; found = before.EXTRA"])
def test_anything_else_of_a_package_loads_it_once(heavy: str, statement: str) -> None:
    names: dict = {}
    exec(statement, names)
    box = importlib.import_module("box")
    assert names["found"] == 7 and type(box.Thing) is type
    assert importlib.import_module("box.tools").double is box.tools.double
    assert box.other is sys.modules[heavy] is names.get("other", box.other)
    assert box.other.__spec__.origin.endswith("other.py")


def test_a_package_that_is_not_there_is_missed(heavy: str) -> None:
    postpone_imports({"no_such_box": frozenset({"Thing"})})
    with pytest.raises(ModuleNotFoundError, match="no_such_box"):
        importlib.import_module("no_such_box")


def test_the_collector_rests_while_heavy_imports_are_made() -> None:
    with without_collector():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), without_collector():
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()


ENDING = """
import atexit, sys, threading
from mmx import __main__ as entry
import mmx.cli.app as app

def run():
    atexit.register(lambda: print("at exit"))
    threading.Thread(target=lambda: (threading.main_thread().join(), print("thread"))).start()
    sys.stdout.write("half a line, ")
    {end}

app.main = run
entry.main()
"""


@pytest.mark.parametrize(("end", "code"), [("sys.exit(1)", 1), ("sys.exit(0)", 0), ("sys.exit()", 0), ("pass", 0)])
def test_a_process_ends_with_all_that_is_left_to_do(end: str, code: int) -> None:
    done = run(ENDING.format(end=end))
    assert (done.returncode, done.stdout, done.stderr) == (code, "half a line, thread\nat exit\n", "")


def test_a_fault_of_the_program_ends_as_ever() -> None:
    done = run(ENDING.format(end="1 / 0"))
    assert done.returncode == 1 and done.stderr.endswith("ZeroDivisionError: division by zero\n")
