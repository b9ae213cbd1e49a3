"""`python -m mmx`, and the command `mmx`: Ctrl-C is one line and 130 even while it is still being loaded."""

import os
import sys
from typing import NoReturn

_INTERRUPTED = 130


def main() -> None:
    try:
        from mmx.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: Interrupted before anything was begun.\n")
        _end()
    try:
        run()
    except KeyboardInterrupt:
        _end()
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            _end()
        raise


def _end() -> NoReturn:
    """At once: Python ends by the signal itself, not by 130, where Ctrl-C came in the middle of some imports."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
