"""`python -m mmx`, and the command `mmx`: Ctrl-C is one line and 130 even while it is still being loaded."""

import atexit
import os
import sys
import threading
from typing import NoReturn

_INTERRUPTED = 130


def main() -> NoReturn:
    try:
        from mmx.cli.lazy_imports import postpone_imports

        postpone_imports()
        from mmx.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: Interrupted before anything was begun.\n")
        _end(_INTERRUPTED)
    try:
        run()
    except KeyboardInterrupt:
        _end(_INTERRUPTED)
    except SystemExit as ended:
        _end(ended.code if isinstance(ended.code, int) else 0)
    _end(0)


def _end(code: int) -> NoReturn:
    """What Python does at its end but take everything apart, which costs half a second and 0.2 GB of CUDA's libraries.

    At once after Ctrl-C: in the middle of some imports Python would end by the signal itself, not by 130.
    """
    try:
        if code != _INTERRUPTED:
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except OSError:
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
