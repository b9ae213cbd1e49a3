"""`mmx methods`, `mmx models`, `mmx --version` and the help."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from cli_outcome import Command
from typer.main import get_command

import mmx as package
from mmx.checkpoints.families import all_families
from mmx.cli.app import app
from mmx.cli.commands import PANELS
from mmx.methods import GROUPS, KINDS, all_methods

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
    by_name = {entry["name"]: entry for entry in listed}
    assert by_name["rollout"]["group"] == "attention alone" and by_name["relevance-lrp"]["group"] == "LRP"
    assert by_name["rollout"]["named_by"] == ["paper", "fast", "all"]
    assert by_name["partial-lrp"]["named_by"] == ["paper", "all"]
    assert all(entry["signed"] is method.signed and entry["floors"] == method.floors
               for entry, method in zip(listed, all_methods(), strict=True))
    everywhere, across = by_name["relevance"]["classes"], by_name["relevance-no-norm"]["classes"]
    assert sorted(everywhere) == sorted({one for _, family in all_families() for one in family.architectures})
    assert "LxmertForQuestionAnswering" in across and "ViTForImageClassification" not in across


def test_methods_are_grouped_by_what_they_need(mmx: Command) -> None:
    lines = mmx("methods").out.splitlines()
    places = {kind: lines.index(f"Needs {kind}") for kind in KINDS if f"Needs {kind}" in lines}
    assert [*places] == [kind for kind in KINDS if any(method.kind == kind for method in all_methods())]
    assert [*places.values()] == sorted(places.values())
    for method in all_methods():
        [line] = [number for number, line in enumerate(lines) if line.startswith(f"{method.name} ")]
        assert max(places, key=lambda kind: (places[kind] < line, places[kind])) == method.kind
        assert f" {'-' if method.floors is None else f'{method.floors:.2g}'} " in lines[line]
    for name, is_in in GROUPS.items():
        [told] = [line for line in lines if line.startswith(f"-m {name}: ")]
        assert all(is_in(method) == (method.name in told.split(": ")[1].split(", ")) for method in all_methods()) or (
            told.endswith("all of them") and all(map(is_in, all_methods())))


def test_models(mmx: Command) -> None:
    outcome = mmx("models")
    document = json.loads(mmx("models", "--json").out)
    listed = document["models"]
    assert (outcome.code, outcome.err) == (0, "")
    assert "unc-nlp/lxmert-vqa-uncased" in [entry["name"] for entry in listed]
    places = [entry["where"] for entry in listed]
    assert set(places) == {"shipped", "hub"}
    assert places == sorted(places, key=("shipped", "hub").index)
    assert all(entry["size_mb"] > 0 and entry["licence"] for entry in listed)
    named = [entry["name"] for entry in document["classes"]]
    assert sorted(named) == sorted({one for _, family in all_families() for one in family.architectures})
    of = {name: entry["name"] for entry in document["classes"] for name in entry["checkpoints"]}
    assert of == {entry["name"]: entry["architecture"] for entry in listed if entry["architecture"]}


def listed_lines(mmx: Command) -> Iterator[tuple[str, str, str]]:
    """What such models do, class and checkpoint, of the lines of `mmx models`."""
    does = name = ""
    for line in mmx("models").out.partition("default  ")[0].splitlines():
        indent = len(line) - len(line.lstrip())
        if line and indent == 0:
            does = line.partition(": mmx")[0]
        elif indent == 2:
            name = line.strip().partition(":")[0]
            yield does, name, ""
        elif indent == 4:
            yield does, name, line.split()[0]


@pytest.mark.parametrize("width", [None, 120, 80, 40])
def test_models_are_grouped_by_what_they_can_be_asked_and_named_in_full(mmx: Command, monkeypatch: pytest.MonkeyPatch,
                                                                       width: int | None) -> None:
    monkeypatch.setattr("mmx.cli.model_list.terminal_width", lambda: width)
    document = json.loads(mmx("models", "--json").out)
    found = list(listed_lines(mmx))
    classes = [(entry["does"], entry["name"]) for entry in document["classes"]]
    assert [(does, name) for does, name, checkpoint in found if not checkpoint] == classes
    groups = [does for does, _ in groupby(classes, key=lambda one: one[0])]
    assert len(groups) == len(set(groups)) and groups[0] == "answers questions"
    named = [checkpoint for _, _, checkpoint in found if checkpoint]
    assert sorted(named) == sorted(entry["name"] for entry in document["models"])
    for entry in document["classes"]:
        assert [checkpoint for _, name, checkpoint in found if checkpoint and name == entry["name"]
                and checkpoint in entry["checkpoints"]] == entry["checkpoints"]
    assert width is None or width < 80 or all(len(line) <= width for line in mmx("models").out.splitlines()
                                              if line.startswith("  "))


def test_models_say_how_each_kind_is_asked_and_what_has_no_checkpoint(mmx: Command,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    bare = replace(all_families()[0][1], architectures=("BareModel",), checkpoints=())
    monkeypatch.setattr("mmx.checkpoints.catalog.all_families", lambda: (*all_families(), ("bare", bare)))
    told = mmx("models").out
    assert "answers questions: mmx explain PICTURE --question TEXT; also --target, --against, --score\n" in told
    assert "matches pictures and texts: mmx explain PICTURE --text TEXT; also --target, --against, --score\n" in told
    assert "classifies pictures: mmx explain PICTURE; also --target, --against, --score\n" in told
    assert "finds objects: mmx explain PICTURE; also --threshold, --query, --class, --against, --score\n" in told
    [line] = [line for line in told.splitlines() if "BareModel" in line]
    assert line.endswith("; no checkpoint by name") and told.count("no checkpoint by name") >= 1


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
    (("explain", "-M", "shapes-v"), ["shapes-visual-bert", "shapes-vit", "shapes-vlm"]),
    (("models", "check", "unc-nlp/l"), ["unc-nlp/lxmert-vqa-uncased"]),
    (("explain", "-M", "shapes-detr", "--class", "yellow"), YELLOW),
    (("explain", "--class", "yellow"), YELLOW),
    (("explain", "-q", "what?", "--target", "ye"), ["yellow", "yes"]),
    (("explain", "-M", "nosuch", "--target", "ye"), [])])
def test_names_are_completed(monkeypatch: pytest.MonkeyPatch, mmx: Command, words: tuple[str, ...],
                             found: list[str]) -> None:
    assert sorted(completed(monkeypatch, mmx, *words)) == found
