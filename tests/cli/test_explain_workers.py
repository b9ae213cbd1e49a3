"""With processes that open and draw, everything is as without: files, lines, their order, exit codes."""

from pathlib import Path

import pytest
from cli_outcome import Command, Outcome
from PIL import Image

from mmx.cli.report import BatchReport
from mmx.model import Model
from mmx.workers import Workers

ASKED = ("-m", "rollout,relevance", "--batch-size", 2)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> list[Workers]:
    """Those that were started."""
    started: list[Workers] = []
    begin = Workers.__init__
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(Workers, "__init__", lambda self, *given: (started.append(self), begin(self, *given))[1])
    return started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures of two sizes, of which two cannot be read."""
    made = tmp_path / "pictures"
    made.mkdir()
    for number in range(7):
        Image.new("RGB", (60, 40 + 8 * (number % 2)), (36 * number, 30, 90)).save(made / f"{number}.png")
    (made / "2.png").write_bytes(b"no picture")
    (made / "6.png").write_bytes((made / "5.png").read_bytes()[:99])
    return made


def written(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_one_and_two_give_the_same_files_and_the_same_lines(ask: Command, folder: Path, tmp_path: Path,
                                                            two_cores: list[Workers]) -> None:
    out: dict[int, dict[str, bytes]] = {}
    told: dict[int, Outcome] = {}
    for number in (1, 2):
        told[number] = ask(folder, "-q", "red?", *ASKED, "--workers", number, "--out", tmp_path / f"out-{number}")
        out[number] = written(tmp_path / f"out-{number}")
    assert len(two_cores) == 1
    assert out[1] == out[2] and len(out[1]) == 5 * 5
    assert (told[1].code, told[1].err) == (told[2].code, told[2].err)
    assert told[1].out.replace("out-1", "out-2") == told[2].out
    assert told[2].code == 1 and ["2.png" in line for line in told[2].err.splitlines()].count(True) == 1
    places = [told[2].out.index(f"{number}.png") for number in (0, 1, 3, 4, 5)]
    assert places == sorted(places)


def test_errors_and_results_are_told_in_their_order(ask: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
                                                    ) -> None:
    said: list[str] = []
    for name in ("add", "fail"):
        run = getattr(BatchReport, name)
        monkeypatch.setattr(BatchReport, name, lambda self, of, *more, run=run, **named: (
            said.append(Path(getattr(of, "image", None) or of[0].picture.source).name),
            run(self, of, *more, **named))[1])
    ask(folder, "-q", "red?", "--batch-size", 4, "--workers", 2)
    assert said == ["2.png", "0.png", "1.png", "3.png", "6.png", "4.png", "5.png"]


def test_what_cannot_be_written_is_told_as_without(ask: Command, folder: Path, tmp_path: Path) -> None:
    told = []
    for number in (1, 2):
        out = tmp_path / f"out-{number}"
        (out / "3.red.relevance.png").mkdir(parents=True)
        told.append(ask(folder / "3.png", folder / "4.png", "-q", "red?", "--workers", number, "--out", out))
        assert not [path for path in out.iterdir() if path.name.startswith((".mmx", "3.red.relevance.json"))]
    assert told[0].code == told[1].code == 1
    assert told[0].err.replace("out-1", "out-2") == told[1].err and "3.red.relevance.png" in told[1].err


def test_after_ctrl_c_no_process_is_left_and_the_rest_is_made_up_for(
        ask: Command, folder: Path, tmp_path: Path, two_cores: list[Workers], monkeypatch: pytest.MonkeyPatch) -> None:
    ask(folder, "-q", "red?", "--batch-size", 2, "--workers", 0)
    whole = written(tmp_path / "out")

    def interrupted(self: Model, jobs: list, *more: object, **options: object) -> list:
        if any(job.picture.source.endswith("4.png") for job in jobs):
            raise KeyboardInterrupt
        return run(self, jobs, *more, **options)

    run = Model.explain_batch
    monkeypatch.setattr(Model, "explain_batch", interrupted)
    asked = folder, "-q", "red?", "--batch-size", 2, "--workers", 2, "--out", tmp_path / "again"
    stopped = ask(*asked)
    assert stopped.code == 130 and "of 7 are done" in stopped.err.splitlines()[-1] and "Traceback" not in stopped.err
    assert all(process.poll() is not None for process in two_cores[0].processes)
    there = written(tmp_path / "again")
    assert not any(name.startswith(".mmx") for name in there) and there.items() <= whole.items()
    monkeypatch.setattr(Model, "explain_batch", run)
    assert ask(*asked, "--resume").code == 1
    assert written(tmp_path / "again") == whole


def test_few_pictures_start_none(ask: Command, folder: Path, two_cores: list[Workers]) -> None:
    ask(folder / "0.png", "-q", "red?", "--workers", 2)
    ask(folder / "0.png", folder / "1.png", "-q", "red?")
    assert two_cores == []
