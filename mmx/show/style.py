"""matplotlib's settings as mmx draws: its defaults, and what makes files the same everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import RLock

_ONE_AT_A_TIME = RLock()
_is_own = False
# Letters stay letters in a PDF; in an SVG, which brings no fonts, they are outlines that look the same everywhere.
_STYLE = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "mmx", "pdf.compression": 6}


@contextmanager
def own_style() -> Iterator[None]:
    """Within it nothing depends on what a user has set for matplotlib: for whatever makes blocks or draws them.

    One thread at a time, for matplotlib's settings are of the whole process; within another it costs nothing.
    """
    global _is_own
    from matplotlib.style import context

    with _ONE_AT_A_TIME, nullcontext() if _is_own else context(["default", _STYLE]):
        before, _is_own = _is_own, True
        try:
            yield
        finally:
            _is_own = before
