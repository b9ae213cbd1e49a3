"""Processes that take off this one what would hold it up, such as opening pictures and drawing them.

Each is a Python that knows this one by two pipes alone. Where they close, whatever became of this process, it finishes
what it is doing and ends. Ctrl-C does not reach it.
"""

import os
import pickle
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import count
from queue import PriorityQueue
from threading import Thread
from typing import Any

_MOST = 16
_LONGEST_WAIT_S = 60  # for what a process is doing, when all is over
# What it imports is what this process would; -P: and nothing out of the folder where the user is.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from mmx.workers import serve; serve()"
# A picture is drawn by one thread: others would stand in the way of the model.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# What a picture took is kept for the next, up to 64 MiB: of the system, each page of it would be asked for anew.
_MEMORY_KEPT = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26), "PILLOW_BLOCKS_MAX": "4"}
_LAST = float("inf")


class Here:
    """No other process: everything is done at once, in this one."""

    ahead = 0
    """How many turns ahead work may be given, for it to be done meanwhile."""

    def submit(self, function: Callable[..., Any], *given: Any, soon: bool = False) -> Future[Any]:
        """What the function, one of a module, makes of what is given; both must be such as can be pickled.

        Args:
            soon: before what waits without it.
        """
        return _done(Future(), function, given)

    def close(self) -> None:
        """What was not begun is given up; what was is finished."""


class Workers(Here):
    """As many processes as `number`, which begin by importing modules."""

    ahead = 1

    def __init__(self, number: int, modules: Sequence[str] = ()) -> None:
        self._jobs: PriorityQueue[tuple[float, int, Any]] = PriorityQueue()
        self._numbers, self._closed = count(), False
        self.processes = [_started() for _ in range(number)]
        self._threads = [Thread(target=self._feed, args=(one, modules), daemon=True) for one in self.processes]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., Any], *given: Any, soon: bool = False) -> Future[Any]:
        waiting: Future[Any] = Future()
        self._jobs.put((not soon, next(self._numbers), (waiting, function, given)))
        return waiting

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        while not self._jobs.empty():
            self._jobs.get()[2][0].cancel()
        for _ in self._threads:
            self._jobs.put((_LAST, next(self._numbers), None))
        try:
            for thread in self._threads:
                thread.join(_LONGEST_WAIT_S)
        finally:  # it waits no longer after a second Ctrl-C
            for process in self.processes:
                process.kill()
                process.wait()

    def _feed(self, process: "subprocess.Popen[bytes]", modules: Sequence[str]) -> None:
        """Gives one process one job after the other, and does them here where the process is gone."""
        assert process.stdin is not None and process.stdout is not None
        lives = _asked(process, _import_all, (modules,)) is not None
        while (job := self._jobs.get()[2]) is not None:
            waiting, function, given = job
            if not waiting.set_running_or_notify_cancel():
                continue
            answer = _asked(process, function, given) if lives else None
            if answer is None:
                lives = False
                _done(waiting, function, given)
            elif answer[0]:
                waiting.set_result(answer[1])
            else:
                waiting.set_exception(answer[1])
            del job, waiting, function, given, answer  # pictures, while it waits for the next
        with suppress(OSError):
            process.stdin.close()
        with suppress(OSError):
            process.stdout.read()  # until it has ended


@contextmanager
def workers(number: int, modules: Sequence[str] = ()) -> Iterator[Here]:
    """So many processes, or none where one is all, or where none can be started."""
    try:
        found = Workers(number, modules) if number > 1 and sys.executable else Here()
        # For what is loaded after this: threads that wait for each other would keep cores busy that others need.
        if number > 1:
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    except OSError:
        found = Here()
    try:
        yield found
    finally:
        found.close()


def worth_starting(asked: int | None, jobs: int, jobs_worth_one: int) -> int:
    """How many processes: as asked, but not more than cores; unless asked, none for a few jobs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if asked is None:
        return min(cores, _MOST) if jobs >= jobs_worth_one else 0
    return min(asked, cores) if jobs > 1 else 0


def serve() -> None:
    """What such a process does: one job after the other, out of its stdin; answers go to its stdout."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # what else writes to stdout must not come between
        os.dup2(nowhere, stream)
    warnings.simplefilter("ignore")
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            function, given = pickle.load(jobs)
            answers.write(_answer(function, given))
            answers.flush()
            del function, given
    os._exit(0)


def _started() -> "subprocess.Popen[bytes]":
    path = [os.path.abspath(one) for one in sys.path]
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM.format(path=path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env={**_MEMORY_KEPT, **os.environ, **_ONE_THREAD}, start_new_session=True)


def _asked(process: "subprocess.Popen[bytes]", function: Callable[..., Any],
           given: Sequence[Any]) -> tuple[bool, Any] | None:
    """Whether it could be done, and the result or else the error; None where the process is gone."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(pickle.dumps((function, given), pickle.HIGHEST_PROTOCOL))
        process.stdin.flush()
        return pickle.load(process.stdout)
    except (OSError, EOFError, ValueError, pickle.PickleError):
        return None


def _answer(function: Callable[..., Any], given: Sequence[Any]) -> bytes:
    """As `_asked` has it, pickled; an error has its traceback among its notes."""
    try:
        return pickle.dumps((True, function(*given)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        try:
            answer = pickle.dumps((False, error))
            pickle.loads(answer)
            return answer
        except Exception:  # there are some that cannot be pickled
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


def _done(waiting: Future[Any], function: Callable[..., Any], given: Sequence[Any]) -> Future[Any]:
    try:
        waiting.set_result(function(*given))
    except Exception as error:
        waiting.set_exception(error)
    return waiting


def _import_all(names: Sequence[str]) -> None:
    for name in names:
        import_module(name)
