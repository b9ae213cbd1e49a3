"""The command as a user calls it, in this process, with nothing of the tester's own settings."""

import shutil
import sys
from pathlib import Path

import pytest
from cli_outcome import Command, Outcome
from PIL import Image

from mmx.cli.app import main


@pytest.fixture
def mmx(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, tmp_path: Path) -> Command:
    for name in ("MMX_MODEL", "MMX_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    # As a machine without a network and with an empty cache.
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["mmx", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Outcome(ended.value.code, *capfd.readouterr())

    return call


@pytest.fixture
def ask(mmx: Command, tiny_lxmert: Path, tmp_path: Path) -> Command:
    """`mmx explain` with the tiny model, into the folder `out`; later options win over these."""
    return lambda *arguments: mmx("explain", "--model", tiny_lxmert, "--out", tmp_path / "out", *arguments)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = Image.new("RGB", (60, 40), "white")
    image.paste((200, 30, 30), (35, 20, 55, 38))
    image.save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


@pytest.fixture
def checkpoint(tiny_lxmert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may break."""
    return Path(shutil.copytree(tiny_lxmert, tmp_path / "broken"))
