"""Results go to stdout; progress, notes and errors to stderr, each of them one line."""

import json
import os
import re
import sys
import traceback
import unicodedata
from io import StringIO, TextIOWrapper
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from mmx.cli.fields import with_options
from mmx.cli.progress import bar_aside
from mmx.errors import MmxError, OutputError

_WIDE = 10_000
_LINE_BREAK = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def prepare_streams() -> None:
    """A name that the terminal's encoding does not have is escaped, and a stream that was closed swallows."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it stays open to the end
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def debug_wanted() -> bool:
    return "--debug" in sys.argv[1:] or bool(os.environ.get("MMX_DEBUG"))


def json_wanted() -> bool:
    """Told by the words of the command line: where an option is misused, nothing else is known."""
    return _given("--json")


def quiet_wanted() -> bool:
    return _given("--quiet")


def _given(option: str) -> bool:
    words = sys.argv[1:]
    return option in (words[:words.index("--")] if "--" in words else words)


def one_line(text: str) -> str:
    """Line breaks become spaces; what else would move the cursor, or cannot be encoded, is escaped."""
    joined = _LINE_BREAK.sub(" ", text)
    return "".join(ascii(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cs") else char for char in joined)


def print_error(error: MmxError, cause: BaseException | None = None) -> None:
    """One line; with --debug the traceback of its cause before it."""
    if debug_wanted():
        _emit(sys.stderr, "".join(traceback.format_exception(cause or error)))
    hint = f" {one_line(error.hint)}" if error.hint else ""
    _say(sys.stderr, Text.assemble(("error:", "bold red"), " ", one_line(error.message), (hint, "dim")))


def print_note(text: str) -> None:
    _say(sys.stderr, Text.assemble(("note:", "cyan"), " ", one_line(with_options(text))))


def print_result(result: RenderableType) -> None:
    """On stdout: laid out for a terminal, never wrapped in a pipe."""
    _say(sys.stdout, result)


def print_json(document: Any) -> None:
    """Exactly one JSON document, and nothing else, on stdout."""
    _emit(sys.stdout, json.dumps(document, indent=2, allow_nan=False) + "\n")


def terminal_width() -> int | None:
    """Columns of the terminal that results go to; None in a pipe, where a line has no end."""
    return Console(file=sys.stdout).width if sys.stdout.isatty() else None


def _say(stream: TextIO, line: RenderableType) -> None:
    """Laid out beside the stream: rich would end the program by itself where a pipe is broken."""
    terminal, page = stream.isatty(), StringIO()
    console = Console(file=page, force_terminal=terminal, width=None if terminal else _WIDE,
                      highlight=False, markup=False, emoji=False)
    console.print(line, soft_wrap=isinstance(line, Text))
    text = page.getvalue()
    _emit(stream, text if terminal else "".join(f"{row.rstrip()}\n" for row in text.splitlines()))


def _emit(stream: TextIO, text: str) -> None:
    """A reader that went away (`mmx ... | head`) stops no work: what was asked for is files."""
    try:
        with bar_aside():
            stream.write(text)
            stream.flush()
    except OSError as error:
        _abandon(stream)
        if not isinstance(error, BrokenPipeError):
            raise OutputError(f"Nothing can be printed: {error.strerror}.", "Make room, or print elsewhere.") from error


def _abandon(stream: TextIO) -> None:
    """What is still in its buffer must not fail a second time at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
