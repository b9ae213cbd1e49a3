"""Methods that a model has no relevance rule for: the others go on, and what is left out is named."""

import json
from pathlib import Path

import pytest
from cli_outcome import Command, report
from defined_methods import defined_on
from torch.nn import functional
from transformers import LxmertConfig

from mmx.capture import lrp_chefer as lrp
from mmx.families.lxmert import FAMILY

REASON = "There is no relevance rule for torch.nn.functional.gelu."
DEFINED = defined_on(FAMILY, LxmertConfig())
LRP = [method.name for method in DEFINED if "lrp" in method.needs]
OTHERS = [method.name for method in DEFINED if method.name not in LRP]


@pytest.fixture(autouse=True)
def no_rule_for_gelu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(lrp._RULES, functional.gelu)


@pytest.fixture
def every(ask: Command, picture: Path) -> Command:
    return lambda *more: ask(picture, "-q", "red?", "-m", "all", *more)


def test_the_other_methods_are_written(every: Command, tmp_path: Path) -> None:
    assert every().code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "scene.red.methods.png", *(f"scene.red.{name}.{kind}" for name in OTHERS for kind in ("png", "json"))}


def test_one_note_names_what_is_left_out_and_why(every: Command) -> None:
    assert f"note: left out {', '.join(LRP)}: {REASON}" in every().err.splitlines()


def test_the_table_has_no_row_for_it(every: Command) -> None:
    rows = [line.split()[0] for line in every().out.splitlines()]
    assert set(OTHERS) <= set(rows) and not set(LRP) & set(rows)


def test_json_says_it_in_every_document(every: Command, tmp_path: Path) -> None:
    document = json.loads(every("--json").out)
    assert [one["method"] for one in document["explanations"]] == OTHERS
    assert {json.dumps(one["left_out"]) for one in document["explanations"]} == {
        json.dumps(dict.fromkeys(LRP, REASON))}
    assert report(tmp_path, "scene.red.rollout.json")["left_out"] == dict.fromkeys(LRP, REASON)
    assert document["failures"] == []


def test_resume_counts_it_as_done(every: Command) -> None:
    every()
    outcome = every("--resume")
    assert outcome.code == 0 and outcome.out.startswith("1 there already; nothing new in ")


def test_resume_makes_up_for_a_method_that_could_run(every: Command, tmp_path: Path) -> None:
    every()
    (tmp_path / "out" / "scene.red.rollout.json").unlink()
    assert "wrote" in every("--resume").out


def test_of_two_methods_the_one_that_runs_is_told_alone(ask: Command, picture: Path, tmp_path: Path) -> None:
    outcome = ask(picture, "-q", "red?", "-m", "partial-lrp", "-m", "relevance")
    assert (outcome.code, outcome.err) == (0, f"note: left out partial-lrp: {REASON}\n")
    assert outcome.out.splitlines()[-1].split(maxsplit=1) == [
        "wrote", f"{tmp_path / 'out' / 'scene.red.relevance.png'} and .json"]


@pytest.mark.parametrize("methods", [LRP[:1], LRP])
def test_where_none_can_run_it_is_an_error(ask: Command, picture: Path, tmp_path: Path, methods: list[str]) -> None:
    outcome = ask(picture, "-q", "red?", *(word for name in methods for word in ("-m", name)))
    assert outcome.code == 1
    assert outcome.error == f"{picture}: {REASON} Methods that need LRP do not apply to this model."
    assert not (tmp_path / "out").exists()


def test_many_pictures_say_it_once(every: Command, picture: Path) -> None:
    assert every(picture).err.count(REASON) == 1


def test_the_check_of_a_model_says_it_and_works(mmx: Command, tiny_lxmert: Path) -> None:
    outcome = mmx("models", "check", tiny_lxmert, "--json")
    assert outcome.code == 0
    [told] = [one["told"] for one in json.loads(outcome.out)["findings"] if one["what"] == "methods"]
    tried = [method.name for method in DEFINED if method.shares_passes and method.name in OTHERS]
    assert told == f"{len(tried)}: {', '.join(tried)}; left out {', '.join(LRP)}: {REASON}"


STUDIES = {
    "perturb": ("perturb", "--num-samples", "2", "--modality", "text", "--steps", "0,1"),
    "evaluate": ("shapes", "evaluate", "--model", "shapes-vit", "--scenes", "2"),
    "segment": ("segment", "--limit", "1", "--protocol", "clean"),
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_goes_on_and_records_it(mmx: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                        name: str) -> None:
    monkeypatch.delitem(lrp._RULES, functional.relu, raising=False)
    out = () if name == "evaluate" else ("--out", tmp_path / "out")
    outcome = mmx(*STUDIES[name], "-m", "all", "--json", *out)
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    told = document if name == "evaluate" else document["parameters"]
    assert told["left_out"] and set(told["left_out"]) <= set(LRP)
    assert "There is no relevance rule for torch.nn.functional" in outcome.err
