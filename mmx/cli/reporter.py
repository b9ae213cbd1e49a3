"""What a study says while it runs, on a terminal: a bar and lines on stderr."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmx.cli.errors import as_told
from mmx.cli.output import print_error, print_note
from mmx.cli.progress import progress_bar
from mmx.errors import MmxError

if TYPE_CHECKING:
    from mmx.studies.reporting import Kind


@dataclass(frozen=True)
class OnTerminal:
    """With `quiet` no bar and no notes; warnings and errors are always said."""

    quiet: bool

    def progress(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return progress_bar(total, self.quiet)

    def line(self, kind: "Kind", text: str) -> None:
        if kind == "error":
            print_error(as_told(MmxError(text)))
        elif kind == "warning":
            print_note(f"WARNING: {text}")
        elif not self.quiet:
            print_note(text)
