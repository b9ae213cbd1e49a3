"""`mmx models new CLASS`: a family's draft on stdout, or in a file that was not there."""

import ast
from pathlib import Path

import pytest
from cli_outcome import Command


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "image_size": 32}
    monkeypatch.setattr("mmx.drafts.building._default", lambda model_class: model_class.config_class(**sizes))


@pytest.mark.usefixtures("small")
def test_a_draft_is_python_on_stdout_and_nothing_is_written(mmx: Command, tmp_path: Path) -> None:
    outcome = mmx("models", "new", "ViTForImageClassification")
    assert (outcome.code, outcome.err) == (0, "")
    assert ast.get_docstring(ast.parse(outcome.out)) and "FAMILY = Family(" in outcome.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small")
def test_a_draft_goes_into_a_new_file_and_never_over_another(mmx: Command, tmp_path: Path) -> None:
    file = tmp_path / "families" / "vit.py"
    outcome = mmx("models", "new", "ViTForImageClassification", "--out", file)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{file}\n", "")
    assert file.read_text() == mmx("models", "new", "ViTForImageClassification").out
    file.write_text("mine")
    again = mmx("models", "new", "ViTForImageClassification", "--out", file)
    assert (again.code, again.out, file.read_text()) == (2, "", "mine")
    assert again.error == f"{file} is there already. Give another name with --out."


def test_a_class_that_there_is_not_is_one_line_with_near_names(mmx: Command) -> None:
    outcome = mmx("models", "new", "VitForImageClasification")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.error.startswith("transformers has no class named 'VitForImageClasification'. Did you mean ViTForI")
