"""Runs the code of sample_inputs/tour.ipynb cell by cell, as Jupyter does; `make tour` stores what the cells show."""

import ast
import base64
import io
import json
import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

NOTEBOOK = Path(__file__).parents[1] / "sample_inputs" / "tour.ipynb"
_WIDEST, _QUALITY = 720, 72


@dataclass(frozen=True)
class Outcome:
    """What one code cell printed, and the value of its last expression."""

    printed: str
    value: Any


def read() -> dict[str, Any]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def code_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def run(notebook: dict[str, Any]) -> list[Outcome]:
    """Of every code cell in order; the first that fails raises. The folder of the notebook must be the current one."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [_run(code_of(cell), names) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _run(code: str, names: dict[str, Any]) -> Outcome:
    tree, value = ast.parse(code), None
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, "tour.ipynb", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "tour.ipynb", "eval"), names)
    return Outcome(printed.getvalue(), value)


def store(notebook: dict[str, Any], outcomes: list[Outcome]) -> None:
    """Small pictures of what the cells show, into the notebook."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, (cell, outcome) in enumerate(zip(cells, outcomes, strict=True), start=1):
        printed = [{"output_type": "stream", "name": "stdout", "text": outcome.printed.splitlines(keepends=True)}]
        shown = [{"output_type": "execute_result", "execution_count": count, "metadata": {},
                  "data": _data(outcome.value)}]
        cell["execution_count"] = count
        cell["outputs"] = [*(printed if outcome.printed else []), *(shown if outcome.value is not None else [])]
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _data(value: Any) -> dict[str, Any]:
    image = value if isinstance(value, Image.Image) else value.to_image() if hasattr(value, "to_image") else None
    if image is None:
        return {"text/plain": repr(value).splitlines(keepends=True)}
    image = image.convert("RGB")
    image.thumbnail((_WIDEST, 10 * _WIDEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return {"image/jpeg": base64.b64encode(buffer.getvalue()).decode("ascii"),
            "text/plain": [f"<{type(value).__name__}>"]}


if __name__ == "__main__":
    os.chdir(NOTEBOOK.parent)
    found = read()
    store(found, run(found))
    print(f"{NOTEBOOK}: {NOTEBOOK.stat().st_size // 1024} KB", file=sys.stderr)
