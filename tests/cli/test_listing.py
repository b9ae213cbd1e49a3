"""`mmx methods`, `mmx models`, `mmx --version` and the help."""

import json
import subprocess
import sys

import pytest
from cli_outcome import Command

import mmx as package
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
