"""Drawing starts fast and knows nothing of models."""

import ast
import subprocess
import sys
from pathlib import Path

import mmx.show

ALLOWED = {"mmx.results", "mmx.errors", "mmx.files", "mmx.images"}


def test_nothing_heavy_is_loaded() -> None:
    code = "import sys, mmx.show; print({'torch', 'transformers', 'matplotlib'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_it_knows_results_errors_files_and_pictures_alone() -> None:
    for path in Path(mmx.show.__file__).parent.glob("*.py"):
        named = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        named |= {alias.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import)
                  for alias in node.names}
        known = {name for name in named if name and name.split(".")[0] == "mmx" and not name.startswith("mmx.show")}
        assert known <= ALLOWED, path.name
