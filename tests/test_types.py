"""What a type checker knows of mmx: the README's Python lines, as users' strict checkers see them."""

import importlib.resources
import json
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KNOWN = {
    "model": "Model", "explanation": "Explanation", "item": "Item", "results": "list[Explanation]",
    "inputs": "dict[str, Tensor]", "study": "PerturbationStudy", "answers": "list[Explanation]",
    "explanation.heatmap(item).ndim": "int", "explanation.overlay(item)": "Image",
    "mmx.side_by_side(results)": "SideBySide", 'mmx.compare("a", "b")': "PerturbationStudy",
    'model.explain(b"")': "Explanation", 'model.explain(["a.png"])': "list[Explanation]",
    'model.explain("a.png", ["?", "??"])': "list[Explanation]",
    'model.explain(["a.png", b""], ["?", "??"])': "list[Explanation]",
    'model.explain_methods("a.png", "?", ["rollout"])': "list[Explanation]",
    'model.explain_methods(["a.png"], "?")': "list[list[Explanation]]",
    'model.explain_methods("a.png", ["?"])': "list[list[Explanation]]",
    'model.attribute(inputs)["image"]': "Tensor"}
WRONG = ['model.explain(3)', 'model.explain("a.png", 3)', 'model.explain("a.png", target=1.5)',
         'model.explain("a.png", tagret=1)', 'mmx.load(3)', 'mmx.load("a", device=0)', 'mmx.laod("a")',
         'model.explain("a.png").itmes', 'mmx.segment(model, protocol="iccv22")']


def readme_lines() -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    [lines] = [block for block in blocks if "mmx.load(" in block]
    return lines


def test_the_package_says_that_it_is_typed() -> None:
    assert importlib.resources.files("mmx").joinpath("py.typed").is_file()
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["mmx"]
    assert "py.typed" in shipped


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """What a strict checker says of the README's lines, and of the others: the line, how bad it is, what is said."""
    if find_spec("basedpyright") is None:
        pytest.skip("basedpyright is not installed")
    folder = tmp_path_factory.mktemp("typed")
    lines = [*readme_lines().splitlines(), *(f"reveal_type({one})" for one in KNOWN), *WRONG]
    (folder / "lines.py").write_text("\n".join(lines), encoding="utf-8")
    # In a notebook the value of an expression is used.
    (folder / "pyrightconfig.json").write_text(json.dumps({
        "include": ["lines.py"], "typeCheckingMode": "strict", "reportUnusedExpression": False,
        "extraPaths": [str(ROOT)]}))
    done = subprocess.run([sys.executable, "-m", "basedpyright", "-p", folder, "--pythonpath", sys.executable,
                           "--outputjson"], capture_output=True, text=True, check=False)
    return [(lines[one["range"]["start"]["line"]], one["severity"], one["message"])
            for one in json.loads(done.stdout)["generalDiagnostics"]]


def test_the_lines_of_the_readme_type_check_strictly(seen: list[tuple[str, str, str]]) -> None:
    assert [(line, said) for line, severity, said in seen if severity == "error" and line not in WRONG] == []


def test_types_are_exact(seen: list[tuple[str, str, str]]) -> None:
    types = {line: said for line, severity, said in seen if severity == "information"}
    assert types == {f"reveal_type({one})": f'Type of "{one}" is "{kind}"' for one, kind in KNOWN.items()}


def test_wrong_calls_are_seen(seen: list[tuple[str, str, str]]) -> None:
    assert {line for line, severity, _ in seen if severity == "error"} == set(WRONG)


@pytest.mark.slow
def test_the_lines_of_the_readme_type_check_under_strict_mypy(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    (tmp_path / "lines.py").write_text(readme_lines(), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "lines.py"],
                          capture_output=True, text=True, check=False, cwd=tmp_path,
                          env={"MYPYPATH": str(ROOT), "PATH": ""})
    assert done.returncode == 0, done.stdout
