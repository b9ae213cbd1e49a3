"""Processes beside this one: what they do is as if it were done here, and none outlives what started it."""

import operator
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from mmx.cli.requests import Request
from mmx.cli.saving import save_all
from mmx.errors import ImageError, UsageError
from mmx.results import Asked, Explanation, Item, ModelInfo, Patches
from mmx.show.saving import Drawing
from mmx.workers import Here, Workers, workers, worth_starting

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")
STARTS_TWO = """
import sys, time
from mmx.workers import workers
with workers(2) as pool:
    print(*(pool.submit(eval, "__import__('os').getpid()").result() for _ in range(20)),
          *(process.pid for process in pool.processes), flush=True)
    last = [pool.submit(time.sleep, 0.3) for _ in range(9)]
    print("busy", flush=True)
    last[-1].result()
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[Here]:
    with workers(2) as found:
        yield found


def lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def ends_soon(pids: set[int]) -> bool:
    until = time.monotonic() + 30
    while any(map(lives, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    return not any(map(lives, pids))


def test_each_job_has_its_own_result(pool: Here) -> None:
    waiting = [pool.submit(pow, number, 2) for number in range(50)]
    assert [one.result() for one in waiting] == [number ** 2 for number in range(50)]


def test_it_is_another_process_and_not_with_one_alone(pool: Here) -> None:
    assert pool.submit(os.getpid).result() != os.getpid()
    for number in (0, 1):
        with workers(number) as here:
            assert here.submit(os.getpid).result() == os.getpid()


def test_errors_come_whole_with_the_traceback_of_the_other_process(pool: Here, tmp_path: Path) -> None:
    error = pool.submit(Request.open, Request(str(tmp_path / "gone.png"), None, (), "gone")).exception()
    with pytest.raises(ImageError) as here:
        Request(str(tmp_path / "gone.png"), None, (), "gone").open()
    assert isinstance(error, ImageError)
    assert (error.message, error.hint, str(error)) == (here.value.message, here.value.hint, str(here.value))
    assert any("Traceback" in note and "in open_picture" in note for note in error.__notes__)
    with pytest.raises(ZeroDivisionError, match="division"):
        pool.submit(operator.floordiv, 1, 0).result()


@pytest.mark.parametrize("error", [UsageError("No.", "Do."), UsageError("No.")])
def test_errors_keep_their_hint_when_they_are_pickled(error: UsageError) -> None:
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), twin.message, twin.hint, str(twin)) == (UsageError, error.message, error.hint, str(error))


def test_what_cannot_be_pickled_is_told_all_the_same(pool: Here) -> None:
    with pytest.raises(RuntimeError, match="Odd: 3"):
        pool.submit(exec, "class Odd(Exception): pass\nraise Odd(3)").result()
    assert pool.submit(pow, 2, 2).result() == 4


def test_what_is_printed_there_does_not_come_between(pool: Here) -> None:
    assert pool.submit(eval, "print('x' * 9999) or __import__('os').write(1, b'y' * 9999)").result() == 9999


def test_what_is_wanted_soon_is_done_first(tmp_path: Path) -> None:
    pool = Workers(1)
    gate, order = tmp_path / "gate", tmp_path / "order"
    os.mkfifo(gate)
    held = pool.submit(eval, f"open({str(gate)!r}).read()")
    waiting = [pool.submit(exec, f"open({str(order)!r}, 'a').write({name!r})", soon=name == "s") for name in "abs"]
    gate.write_text("go")
    assert held.result() == "go" and [one.result() for one in waiting] == [None] * 3
    assert order.read_text() == "sab"
    pool.close()


def test_the_work_of_a_process_that_is_killed_is_done_here() -> None:
    with workers(2) as pool:
        assert isinstance(pool, Workers)
        pool.submit(pow, 2, 2).result()
        for process in pool.processes:
            process.kill()
            process.wait()
        assert [pool.submit(pow, number, 2).result() for number in range(5)] == [0, 1, 4, 9, 16]
        assert pool.submit(os.getpid).result() == os.getpid()


def test_closing_gives_up_what_was_not_begun_and_leaves_no_process() -> None:
    pool = Workers(1)
    pool.submit(pow, 2, 2).result()
    begun, *others = [pool.submit(time.sleep, 0.1) for _ in range(5)]
    while not begun.running() and not begun.done():
        time.sleep(0.001)
    pool.close()
    assert begun.done() and not begun.cancelled() and others[-1].cancelled()
    assert all(process.poll() is not None for process in pool.processes)


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", STARTS_TWO], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, start_new_session=True, env=environment)
    assert parent.stdout is not None and parent.stderr is not None
    pids = {int(pid) for pid in parent.stdout.readline().split()}
    assert parent.stdout.readline() == "busy\n"
    assert len(pids) == 2 and parent.pid not in pids and all(map(lives, pids))
    os.killpg(parent.pid, number)
    said = parent.stderr.read()
    assert parent.wait() != 0 and ends_soon(pids)
    assert said.count("Traceback") == (number == signal.SIGINT)  # of the one that started them: it does not handle it


def test_they_load_no_torch(pool: Here, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    picture = pool.submit(Request.open, Request(str(tmp_path / "a.png"), None, (), "a")).result()
    one = Explanation(ModelInfo("m", "vit", "V", "sha256:0", "cpu", "float32"), "relevance", (picture,), Asked(),
                      {"image": (Patches(2, 2, (0, 0, 40, 30)),)},
                      (Item("class", 0, "cat", 0.9, "softmax", {"image": [0, 1, 2, 3]}),))
    files, sheet, page = pool.submit(save_all, [one], tmp_path / "out", "a", Drawing(), True, False).result()
    assert sheet is None and page is not None
    assert all(path.is_file() for path in (*files[0], page))
    for _ in range(8):
        loaded = set(pool.submit(eval, "[*__import__('sys').modules]").result())
        assert "mmx.workers" in loaded and not loaded & {"torch", "transformers", "torchvision"}


def test_threads_of_a_model_beside_them_sleep_where_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, after in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        if given:
            monkeypatch.setenv("OMP_WAIT_POLICY", given)
        with workers(1):
            assert os.environ.get("OMP_WAIT_POLICY") == given
        with workers(2):
            assert os.environ["OMP_WAIT_POLICY"] == after


def test_how_many_is_as_asked_but_no_more_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert [worth_starting(asked, 100, 8) for asked in (None, 0, 1, 2, 4, 9)] == [4, 0, 1, 2, 4, 4]
    assert [worth_starting(None, jobs, 8) for jobs in (1, 7, 8)] == [0, 0, 4]
    assert [worth_starting(2, jobs, 8) for jobs in (1, 2)] == [0, 2]
