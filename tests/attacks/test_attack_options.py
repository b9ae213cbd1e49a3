"""Options of every command with odd words for a value. The command does it, or one line says what is wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.main import get_command

from mmx.cli.app import app, main

WORDS = ("", "-1", "\udcff\udcfe", " ", "0", "nan", "1e999", "9" * 400, "x" * 5000, "../..", "/dev/null", "/dev/null/x",
         "a,b", ",", "[red]", "%s{x}", "\u202e", "\x1b[31m", "https://example.org/x", "~", "*")
BASES = {"explain": ("explain", "scene.png", "--model", "{vit}"), "draw": ("draw", "scene.json"),
         "compare": ("compare", "one", "two"), "models check": ("models", "check", "{vit}"),
         "models pull": ("models", "pull", "{vit}"), "models new": ("models", "new", "ViTForImageClassification"),
         "demo": ("demo", "--model", "nosuch"),
         "perturb": ("perturb", "--model", "{lxmert}", "-n", "1", "--no-cache", "-m", "random", "--modality", "text"),
         "segment": ("segment", "--model", "{detr}", "--images", ".", "--annotations", "scene.json"),
         "shapes evaluate": ("shapes", "evaluate", "--model", "nosuch"),
         "shapes draw": ("shapes", "draw", "-n", "1"), "shapes coco": ("shapes", "coco", "-n", "1")}
QUICK = 2


def options_of(group: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Command and option, of all options that take a value."""
    for name, one in getattr(group, "commands", {}).items():
        for option in one.params:
            if option.param_type_name == "option" and not option.is_flag:
                yield f"{before}{name}", option.opts[0]
        yield from options_of(one, f"{before}{name} ")


def attacks() -> list[Any]:
    return [pytest.param(command, option, id=f"{command} {option}",
                         marks=[] if command in ("explain", "draw", "demo") else [pytest.mark.slow])
            for command, option in options_of(get_command(app))]


@pytest.mark.parametrize(("command", "option"), attacks())
def test_words_are_taken_or_refused(command: str, option: str, tiny_vit: Path, tiny_lxmert: Path, tiny_detr: Path,
                                    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture,
                                    request: pytest.FixtureRequest) -> None:
    Image.new("RGB", (60, 40), "white").save(tmp_path / "scene.png")
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folders = {"vit": tiny_vit, "lxmert": tiny_lxmert, "detr": tiny_detr}
    call, faults = [part.format(**folders) for part in BASES[command]], []
    for word in WORDS if request.config.getoption("--runslow") else WORDS[:QUICK]:
        monkeypatch.setattr(sys, "argv", ["mmx", *call, option, word])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code, said = ended.value.code, capfd.readouterr().err
        lines_are_mmx = all(line.startswith(("error: ", "note: ")) for line in said.splitlines())
        if (code not in (0, 1, 2) or "fault of mmx" in said or not lines_are_mmx or (code and "error: " not in said)):
            faults.append(f"{word[:20]!r}: exit code {code}: {said[:300]}")
    assert faults == []


def test_every_command_that_has_options_is_attacked() -> None:
    assert {command for command, _ in options_of(get_command(app))} == set(BASES)
