"""Where a method that may speak against is among others, studies say what becomes of scores below zero."""

from dataclasses import replace
from pathlib import Path

import pytest

import mmx
from mmx.cli.perturb_tables import print_perturbation
from mmx.cli.shapes import _print_tables
from mmx.methods import all_methods, get_method
from mmx.schema import misfit

AGAINST = "Scores below zero are evidence against, of less:"


@pytest.fixture(autouse=True)
def less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relevance less its mean."""
    relevance = get_method("relevance")
    made = replace(relevance, name="less", signed=True, aliases=(), reference_rows=None, rows=lambda capture: {
        key: row - row.mean(dim=1, keepdim=True) for key, row in relevance.rows(capture).items()})
    every = (*all_methods(), made)
    monkeypatch.setattr("mmx.methods.base.all_methods", lambda: every)


def test_an_exam_says_it_where_one_is_among_its_methods(capsys: pytest.CaptureFixture[str]) -> None:
    model = mmx.load("shapes-vit", "cpu")
    found = mmx.evaluate(model, methods=["less", "relevance"], scenes=4).to_dict()
    [note] = found["notes"]
    assert note.startswith(AGAINST) and "mass counts the positive ones alone" in note
    assert misfit(found, "evaluation") is None
    of = {name: found["methods"][name]["all"] for name in ("less", "relevance")}
    assert of["less"]["pointing"] == of["relevance"]["pointing"]  # the order of scores is the same
    assert of["less"]["rank"] == of["relevance"]["rank"]
    assert of["less"]["mass"]["mean"] > of["relevance"]["mass"]["mean"]  # of what is over the mean
    _print_tables(found)
    assert AGAINST in " ".join(capsys.readouterr().out.split())
    assert mmx.evaluate(model, methods=["relevance"], scenes=1).to_dict()["notes"] == []


def test_a_perturbation_and_a_comparison_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = mmx.load("shapes-lxmert", "cpu")
    for names in (["less", "relevance"], ["relevance"]):
        mmx.perturb(model, methods=names, modalities=["image"], num_samples=2, cache=False, out=tmp_path / names[0])
    both = mmx.compare(tmp_path / "less", tmp_path / "relevance").to_dict()
    found = mmx.perturb(model, methods=["less", "relevance"], modalities=["image"], num_samples=2, cache=False,
                        out=tmp_path / "less", resume=True).to_dict()
    [note] = found["notes"]
    assert note.startswith(AGAINST) and both["notes"] == [note]
    assert misfit(found, "perturbation") is None and misfit(both, "comparison") is None
    for panels in found["panels"]["image"].values():  # the same order, so the same areas
        assert panels["methods"]["less"] == panels["methods"]["relevance"]
    print_perturbation(found, tmp_path, as_json=False)
    assert AGAINST in " ".join(capsys.readouterr().out.split())
