"""Each method is measured alone where it is first defined, and together with those that share its passes."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification

from mmx.bench import methods as bench
from mmx.bench.subjects import Subject, described
from mmx.bench.tables import Printer
from mmx.methods import Layout, get_method

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def subject(layers: int) -> Subject:
    config = ViTConfig(**{**SMALL, "num_hidden_layers": layers}, image_size=16, patch_size=8, num_labels=5,
                       attn_implementation="eager")
    return Subject(f"{layers} layers", described(ViTForImageClassification(config)),
                   {"pixel_values": torch.randn(1, 3, 16, 16)}, 5)


def deep_alone(layout: Layout) -> str:
    return "" if len(layout.schedule) > 2 else "it needs three layers"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CASES", {"shallow": SimpleNamespace(subject=subject),
                                         "deep": SimpleNamespace(subject=subject)})
    monkeypatch.setattr(bench, "ON", (("shallow", 2), ("deep", 3)))


def tables(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, list[str]]]:
    """Subject → row → its other cells."""
    blocks = [block.splitlines() for block in capsys.readouterr().out.split("\n\n") if block.startswith("| ")]
    cells = [[[cell.strip() for cell in line.strip("| ").split(" | ")] for line in block] for block in blocks]
    return {rows[0][0]: {row[0]: row[1:] for row in rows[2:]} for rows in cells}


def test_methods_are_measured_where_they_are_first_defined(capsys: pytest.CaptureFixture[str]) -> None:
    relevance, rollout = get_method("relevance"), get_method("rollout")
    deep = replace(relevance, name="deep", why_not=deep_alone)
    bench.bench_methods([relevance, rollout, deep], 1, "cpu", Printer(markdown=True))
    found = tables(capsys)
    assert [*found["2 layers"]] == ["floor, SDPA", "relevance", "rollout", "all that share passes"]
    assert found["2 layers"]["relevance"][0] == "attention and gradient"
    assert found["2 layers"]["all that share passes"][0] == "2"
    assert found["2 layers"]["floor, SDPA"][3] == "1.00 / 1.00"
    assert [*found["3 layers"]] == ["floor, SDPA", "deep", "all that share passes"]
    assert found["3 layers"]["all that share passes"][0] == "3"


def test_what_is_measured_nowhere_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = replace(get_method("relevance"), name="nowhere", why_not=lambda layout: "it is not")
    slow = replace(get_method("rollout"), name="slow", needs=("further passes",))
    bench.bench_methods([nowhere, slow], 1, "cpu", Printer(markdown=True))
    out = capsys.readouterr().out
    assert "not measured, for they are defined on none of these: nowhere" in out
    assert "all that share passes" not in out  # one that has passes of its own is not among them
