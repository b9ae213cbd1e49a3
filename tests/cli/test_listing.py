"""`mmx methods`, `mmx models`, `mmx --version` and the help."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cli_outcome import Command
from typer.main import get_command

import mmx as package
from mmx.cli.app import app
from mmx.cli.commands import PANELS
from mmx.methods import all_methods

HELP = """
import sys
from mmx.cli.app import main
sys.argv = ["mmx", *{arguments}]
try:
    main()
except SystemExit as ended:
    heavy = {{"torch", "transformers", "numpy", "PIL", "scipy", "torchvision"}} & set(sys.modules)
    sys.exit(f"{{ended.code}} {{sorted(heavy)}}")
"""


def test_methods_as_a_table(mmx: Command) -> None:
    outcome = mmx("methods")
    assert (outcome.code, outcome.err) == (0, "")
    for method in all_methods():
        assert any(line.startswith(method.name) and method.summary in line for line in outcome.out.splitlines())


def test_methods_as_json(mmx: Command) -> None:
    listed = json.loads(mmx("methods", "--json").out)["methods"]
    assert [entry["name"] for entry in listed] == [method.name for method in all_methods()]
    assert listed[0]["name"] == "relevance"
    assert all(entry["summary"] and entry["source"] for entry in listed)


def test_models(mmx: Command) -> None:
    outcome = mmx("models")
    listed = json.loads(mmx("models", "--json").out)["models"]
    assert (outcome.code, outcome.err) == (0, "")
    assert "unc-nlp/lxmert-vqa-uncased" in [entry["name"] for entry in listed]
    table, _, _ = outcome.out.partition("\n\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == [entry["name"] for entry in listed]
    places = [entry["where"] for entry in listed]
    assert set(places) == {"shipped", "hub"}
    assert places == sorted(places, key=("shipped", "hub").index)
    assert all(entry["size_mb"] > 0 and entry["licence"] for entry in listed)


def test_version(mmx: Command) -> None:
    outcome = mmx("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"mmx {package.__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("explain", "--help"), ("shapes",)])
def test_help(mmx: Command, arguments: tuple[str, ...]) -> None:
    outcome = mmx(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert "Usage: mmx" in outcome.out


@pytest.mark.parametrize("arguments", [["--help"], ["explain", "--help"], ["methods"], ["methods", "--json"],
                                       ["models"], ["models", "--json"]])
def test_nothing_heavy_is_imported_for(arguments: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", HELP.format(arguments=arguments)], capture_output=True, text=True)
    assert ended.stderr == "0 []\n"


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield before
    for name, one in getattr(group, "commands", {}).items():
        yield from commands(one, (*before, name))


@pytest.mark.parametrize("command", list(commands(get_command(app))), ids=" ".join)
def test_the_help_has_panels_and_one_way_to_show_what_an_option_takes(mmx: Command, command: tuple[str, ...],
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    told = mmx(*command, "--help").out
    assert "<" not in re.sub(r"\[[0-9]+<=x<=[0-9]+\]", "", told)
    panels = [one for one in re.findall(r"─ ([A-Z][a-z ]+) ─", told) if one not in ("Arguments", "Options", "Commands")]
    assert panels == [one for one in PANELS if one in panels]
    own = re.search(r"─ Options ─.*?╰", told, re.DOTALL)
    assert own and {"--help", "--version", "--install-completion", "--show-completion"} >= set(
        re.findall(r"^│ (--[a-z-]+)", own[0], re.MULTILINE))


def completed(monkeypatch: pytest.MonkeyPatch, mmx: Command, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    monkeypatch.setenv("_MMX_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(["mmx", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    return [line for line in mmx().out.split("\n") if line]


YELLOW = ["yellow circle", "yellow square", "yellow star", "yellow triangle"]


@pytest.mark.parametrize(("words", "found"), [
    (("explain", "-m", "relevance-l"), ["relevance-lrp", "relevance-lrp-no-norm"]),
    (("perturb", "-m", "random,roll"), ["random,rollout"]), (("segment", "-m", "al"), ["all"]),
    (("explain", "-M", "shapes-v"), ["shapes-visual-bert", "shapes-vit"]),
    (("models", "check", "unc-nlp/l"), ["unc-nlp/lxmert-vqa-uncased"]),
    (("explain", "-M", "shapes-detr", "--class", "yellow"), YELLOW),
    (("explain", "--class", "yellow"), YELLOW),
    (("explain", "-q", "what?", "--target", "ye"), ["yellow", "yes"]),
    (("explain", "-M", "nosuch", "--target", "ye"), [])])
def test_names_are_completed(monkeypatch: pytest.MonkeyPatch, mmx: Command, words: tuple[str, ...],
                             found: list[str]) -> None:
    assert sorted(completed(monkeypatch, mmx, *words)) == found
