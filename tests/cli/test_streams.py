"""What stands on stdout and stderr, whatever reads them and however files are named."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_outcome import Command
from rich.text import Text

from mmx.cli.output import one_line, print_error, print_result
from mmx.cli.progress import progress_bar
from mmx.errors import MmxError

ODD_NAMES = ["a  b.png", "[bold]b[/bold].png", "[/x].png", ":heart:.png", "two\nlines.png", "t\tab.png", "日本 é.png",
             "\x1b[31mred.png", "back\\", "\udcff\udcfe.png", "{x}%s.png", "-dash.png", "x" * 200 + ".png", "...png"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Puts stdout and stderr together on 80 columns, from the call on."""
    def put() -> Terminal:
        screen = Terminal()
        for name, value in (("COLUMNS", "80"), ("TERM", "xterm")):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        return screen
    return put


def shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def odd_copies(picture: Path) -> None:
    for name in ODD_NAMES:
        Path(name).parent.mkdir(exist_ok=True)
        shutil.copy(picture, name)


def test_odd_names_of_missing_pictures(ask: Command) -> None:
    outcome = ask("-q", "red?", "--", *ODD_NAMES)
    assert outcome.code == 1
    lines = outcome.err.split("\n")
    assert lines.pop() == ""
    assert lines == [f"error: {shown(name)} does not exist. Check the path." for name in ODD_NAMES]


def test_odd_names_in_rows(ask: Command, picture: Path) -> None:
    odd_copies(picture)
    outcome = ask("-q", "red?", "--", *ODD_NAMES)
    assert (outcome.code, outcome.err) == (0, "")
    rows = outcome.out.split("\n")
    assert [row.startswith(f"{shown(name)}  ") for row, name in zip(rows, ODD_NAMES, strict=False)] == [True] * 14
    assert len(rows) == len(ODD_NAMES) + 2


def test_odd_names_in_json(ask: Command, picture: Path) -> None:
    odd_copies(picture)
    explanations = json.loads(ask("-q", "red?", "--json", "--", *ODD_NAMES).out)["explanations"]
    assert [one["images"][0]["source"] for one in explanations] == ODD_NAMES
    files = [path for one in explanations for path in one["files"]]
    assert len(set(files)) == 2 * len(ODD_NAMES)
    assert all(Path(path).is_file() for path in files)


@pytest.mark.parametrize("name", ["[bold]b[/bold].png", "two\nlines.png", "\udcff\udcfe.png"])
def test_an_odd_name_in_a_block(ask: Command, picture: Path, name: str) -> None:
    odd_copies(picture)
    outcome = ask("-q", "red?", "--", name)
    assert outcome.code == 0
    assert outcome.out.startswith(f"{shown(name)}  red?\n")


def test_a_pipe_gets_no_colour_and_no_broken_line(ask: Command, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "is " * 8 + "[red]it[/red] red?"
    outcome = ask(picture, "gone " * 30, "-q", long)
    assert "\x1b" not in outcome.out + outcome.err
    assert [line.split()[0] for line in outcome.err.splitlines()] == ["error:", "note:"]
    assert len(outcome.out.splitlines()) == 2


def test_an_encoding_without_the_letters(ask: Command, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert ask(picture, "-q", "цвет?").code == 0
    assert b"\\u0446\\u0432\\u0435\\u0442?" in stdout.buffer.getvalue()


def test_a_reader_that_goes_away_stops_no_work(ask: Command, picture: Path, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        outcome = ask(picture, "gone.png", picture, "-q", "red?", "--batch-size", "1")
    assert outcome.code == 1
    assert outcome.error.startswith("gone.png")
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.parametrize("command", [("models",), ("models", "--json"), ("explain", "scene.png", "-q", "red?")])
def test_a_full_disk_behind_stdout(mmx: Command, tiny_lxmert: Path, picture: Path, monkeypatch: pytest.MonkeyPatch,
                                   command: tuple[str, ...]) -> None:
    monkeypatch.setenv("MMX_MODEL", str(tiny_lxmert))
    with open("/dev/full", "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        outcome = mmx(*command)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("error: Nothing can be printed: No space left on device.")


def test_a_reader_of_a_list_that_goes_away(mmx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        outcome = mmx("models")
    assert (outcome.code, outcome.err) == (0, "")


def test_closed_streams(ask: Command, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert ask(picture, "gone.png", "-q", "red?").code == 1
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(("text", "shown"), [
    ("a  b", "a  b"), ("a\n  b\r\nc", "a b c"), ("a\u2028b", "a b"), ("a\tb\x07", "a\\tb\\x07"), ("\udc80", "\\udc80"),
    ("👩\u200d👧 né", "👩\u200d👧 né")])
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_errors_are_not_wrapped_on_a_terminal(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    print_error(MmxError("A [red]long[/red] :heart: " + "message " * 20 + "ends.", "Do this."))
    plain = Text.from_ansi(screen.getvalue()).plain
    assert plain == "error: A [red]long[/red] :heart: " + "message " * 20 + "ends. Do this.\n"


def test_rows_fit_a_terminal(ask: Command, picture: Path, tmp_path: Path,
                             terminal: Callable[[], Terminal]) -> None:
    long = tmp_path / ("very" * 20 + "long.png")
    shutil.copy(picture, long)
    screen = terminal()
    assert ask(picture, long, "-q", "what color is the circle?", "--quiet").code == 0
    first, second, _ = Text.from_ansi(screen.getvalue()).plain.splitlines()
    assert len(first) <= 80
    assert len(second) <= 80
    assert first.startswith("…")
    assert first.index("scene.png") < second.index("long.png  ") + 8 == first.index("  ")


def test_the_bar_stands_on_terminals_only(terminal: Callable[[], Terminal],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal()
    for total, quiet, wanted in ((5, False, True), (5, True, False), (1, False, False)):
        before = len(screen.getvalue())
        with progress_bar(total, quiet) as advance:
            advance(1)
        assert ("explaining" in screen.getvalue()[before:]) == wanted
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar(5, False) as advance:
        advance(1)
    assert sys.stderr.getvalue() == ""


def test_lines_are_printed_beside_the_bar(terminal: Callable[[], Terminal]) -> None:
    """The bar's line is erased before a result takes its place."""
    screen = terminal()
    with progress_bar(5, False) as advance:
        advance(1)
        print_result("a result")
        advance(1)
    before, after = screen.getvalue().split("a result\n")
    assert before.endswith("\x1b[2K")
    assert "explaining" in before
    assert "explaining" in after


def test_a_full_disk_behind_the_help() -> None:
    with open("/dev/full", "w") as stdout:
        found = subprocess.run([sys.executable, "-m", "mmx", "--help"], stdout=stdout, stderr=subprocess.PIPE,
                               text=True, check=False)
    assert found.returncode == 1
    assert found.stderr == "error: No space left on device. Make room, or print elsewhere.\n"
