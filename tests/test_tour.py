"""The notebook runs from its first cell to its last, and what it holds is small."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tour
from PIL import Image

MOST_BYTES = 700_000


def code() -> Iterator[str]:
    return (tour.code_of(cell) for cell in tour.read()["cells"] if cell["cell_type"] == "code")


def test_every_cell_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tour.NOTEBOOK.parent)
    before = set(tour.NOTEBOOK.parent.iterdir())
    outcomes = tour.run(tour.read())
    assert set(tour.NOTEBOOK.parent.iterdir()) == before
    shown = [outcome.value for outcome in outcomes if outcome.value is not None]
    figures = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert len(figures) >= 6 and all(html.startswith("<figure") for html in figures)
    assert any(isinstance(value, Image.Image) for value in shown)


def test_it_tours_every_family() -> None:
    text = "\n".join(code())
    for family in ("lxmert", "visual-bert", "clip", "vit", "detr"):
        assert f'"shapes-{family}"' in text


def test_what_is_stored_is_small_and_whole() -> None:
    assert tour.NOTEBOOK.stat().st_size <= MOST_BYTES
    counts = []
    for cell in tour.read()["cells"]:
        if cell["cell_type"] == "code":
            counts.append(cell["execution_count"])
            for output in cell["outputs"]:
                assert output["output_type"] in ("stream", "execute_result")
                assert_pictures_open(output.get("data", {}))
    assert counts == list(range(1, len(counts) + 1))


def assert_pictures_open(data: dict[str, Any]) -> None:
    if "image/jpeg" in data:
        assert Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))).width > 300
