"""Runs sample_inputs/tour.ipynb from its first cell to its last, as Jupyter does; `make tour` stores what it shows."""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOK = Path(__file__).parents[1] / "sample_inputs" / "tour.ipynb"


def read() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def run(notebook: NotebookNode) -> NotebookNode:
    """With the outputs of every cell; the first that fails raises. The code runs where the notebook lies."""
    client = NotebookClient(notebook, kernel_name="python3", timeout=600, record_timing=False,
                            resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    return client.execute(env=os.environ | {"PYTHONWARNINGS": "ignore:IProgress not found"})  # of ipywidgets: no fault


if __name__ == "__main__":
    nbformat.write(run(read()), NOTEBOOK)
    print(f"{NOTEBOOK}: {NOTEBOOK.stat().st_size // 1000} kB", file=sys.stderr)
