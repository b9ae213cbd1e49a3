"""README's commands: each is one, and what is said to run as it stands finds its files."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_outcome import Command
from typer.main import get_command

from mmx.cli.app import app

REPOSITORY = Path(__file__).parents[2]
CHAPTER = re.findall(r"^## Use\n.*?(?=^## )", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.M | re.S)[0]
AS_THEY_STAND, WITH_OWN = ([shlex.split(line, comments=True)[1:] for line in block.splitlines()]
                           for block in re.findall(r"^```\n(mmx .*?)^```", CHAPTER, re.M | re.S))
SOON = [words for words in AS_THEY_STAND if words[0] in ("explain", "draw", "methods", "models") and "<" not in words]


def parsed(words: list[str]) -> dict[str, Any]:
    """What a command is given; raises where it has no such option."""
    words = words[:words.index("<")] if "<" in words else words
    group, context = get_command(app), None
    while hasattr(group, "commands") and words and words[0] in group.commands:
        group, words = group.commands[words[0]], words[1:]
    context = group.make_context("mmx", list(words))
    return context.params


@pytest.mark.parametrize("words", [*AS_THEY_STAND, *WITH_OWN], ids=" ".join)
def test_a_command_is_one(words: list[str]) -> None:
    parsed(words)


def test_files_are_there_or_were_written_before() -> None:
    written = {"mmx-out"}
    for words in AS_THEY_STAND:
        given = parsed(words)
        paths = [*(given.get("images") or ()), *(given.get("files") or ()), *(given.get("folders") or ()),
                 *filter(None, [given.get("questions")])] if "annotations" not in given else []
        for path in map(Path, paths):
            assert path == Path("-") or (REPOSITORY / path).exists() or path.parts[0] in written, path
        written.add(str(given.get("out")))


@pytest.mark.slow
def test_they_run_one_after_the_other(mmx: Command, tmp_path: Path) -> None:
    """Those that are done soon; the page runs for ever and studies take minutes."""
    shutil.copytree(REPOSITORY / "sample_inputs", tmp_path / "sample_inputs")
    assert len(SOON) >= 10
    for words in SOON:
        outcome = mmx(*words)
        assert (outcome.code, "error: " in outcome.err) == (0, False), (words, outcome.err)
