"""The notebook runs from its first cell to its last, and what it holds is small."""

import base64
import io
import json
from pathlib import Path

import nbformat
import pytest
import tour
from nbformat import NotebookNode
from PIL import Image

MOST_BYTES, MOST_BYTES_AN_OUTPUT = 3_000_000, 400_000


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: NotebookNode) -> list[NotebookNode]:
    """The outputs of all cells, after each has run once, in order and without an error."""
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell.outputs for cell in cells)
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result"}
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    return outputs


def test_every_cell_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = set(tour.NOTEBOOK.parent.iterdir())
    outputs = shown(tour.run(tour.read()))
    assert set(tour.NOTEBOOK.parent.iterdir()) == before
    figures = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(figures) >= 6 and all(html.startswith("<figure") for html in figures)


def test_it_tours_every_family() -> None:
    text = "\n".join(cell.source for cell in code_cells(tour.read()))
    for family in ("lxmert", "visual-bert", "clip", "vit", "detr"):
        assert f'"shapes-{family}"' in text


def test_what_is_stored_is_small_and_whole() -> None:
    assert tour.NOTEBOOK.stat().st_size <= MOST_BYTES
    notebook = tour.read()
    nbformat.validate(notebook)
    pictures = 0
    for output in shown(notebook):
        assert len(json.dumps(output)) <= MOST_BYTES_AN_OUTPUT
        for kind in ("image/png", "image/jpeg"):
            if kind in output.get("data", {}):
                assert Image.open(io.BytesIO(base64.b64decode(output.data[kind]))).width > 300
                pictures += 1
    assert pictures >= 6
