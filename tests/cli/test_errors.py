"""Whatever is wrong: one line that says what and the way out, the right exit code, and nothing half done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_outcome import Command
from noise import noise
from PIL import Image

import mmx as mmx_package

MISUSE = {
    ("frobnicate",): "No such command 'frobnicate'. See 'mmx --help'.",
    ("explian",): "Did you mean 'explain'? See",
    ("--nonsense",): "No such option: --nonsense",
    ("methods", "--jsno"): "--json",
    ("explain", "scene.png", "-q", "red?", "--metod", "rollout"): "--method",
    ("explain", "scene.png", "-q"): "requires an argument",
    ("explain",): "No picture was given. mmx explain IMAGE --question TEXT",
    ("explain", "scene.png"): "No question was given.",
    ("explain", "scene.png", "-q", ""): "The question is empty.",
    ("explain", "scene.png", "-q", " \n\t "): "The question is empty.",
    ("explain", "scene.png", "-q", "a caf\udce9?"): "The question has bytes that are no UTF-8: '\\udce9'.",
    ("explain", "scene.png", "-q", "what " * 30): "The question has 32 tokens; ",
    ("explain", "scene.png", "-q", "red?", "-m", "relevanse"): "No method named 'relevanse'. Did you mean 'relevance'?",
    ("explain", "scene.png", "-q", "red?", "-m", "all", "-m", "none"): "No method named 'none'.",
    ("explain", "scene.png", "-q", "red?", "--target", "bleu"): "Did you mean 'blue'?",
    ("explain", "scene.png", "-q", "red?", "--target", "3"): "'3' is not an answer",
    ("explain", "scene.png", "-q", "red?", "--target", "-1"): "'-1' is not an answer",
    ("explain", "scene.png", "-q", "red?", "--target", ""): "'' is not an answer",
    ("explain", "scene.png", "scene.png", "-q", "red?", "--target", "no"): "'no' is not an answer",
    ("explain", "scene.png", "-q", "red?", "--batch-size", "0"): "'--batch-size'",
    ("explain", "scene.png", "-q", "red?", "--batch-size", "many"): "'--batch-size'",
    ("explain", "scene.png", "-q", "red?", "--dtype", "float23"): "Did you mean 'float32'?",
    ("explain", "scene.png", "-q", "red?", "--device", "tpu"): "There are: auto, cpu, cuda, mps.",
    ("explain", "scene.png", "-q", "red?", "--device", "cpu:x"): "There are: auto, cpu, cuda, mps.",
    ("explain", "scene.png", "-q", "red?", "--regions", "detr"): "Give 'grid', 'grid:ROWSxCOLUMNS', 'frcnn'",
    ("explain", "scene.png", "-q", "red?", "--regions", "grid:"): "grid:6x8",
    ("explain", "scene.png", "-q", "red?", "--regions", "grid:0x4"): "grid:6x8",
    ("explain", "scene.png", "-q", "red?", "--regions", "grid:9999x4"): "grid:6x8",
}


@pytest.mark.parametrize(("arguments", "message"), MISUSE.items())
def test_misuse(mmx: Command, tiny_lxmert: Path, picture: Path, arguments: tuple[str, ...], message: str) -> None:
    model = ("--model", tiny_lxmert) if arguments[0] == "explain" and arguments[-1] != "-q" else ()
    outcome = mmx(*arguments[:1], *model, *arguments[1:])
    assert outcome.code == 2
    assert message in outcome.error
    assert outcome.out == ""
    assert not Path("mmx-out").exists()


@pytest.mark.parametrize(("device", "kind"), [("cuda", "cuda"), ("cuda:0", "cuda"), ("mps", "backends.mps")])
def test_a_device_that_is_not_there(ask: Command, picture: Path, monkeypatch: pytest.MonkeyPatch, device: str,
                                    kind: str) -> None:
    monkeypatch.setattr(f"torch.{kind}.is_available", lambda: False)
    outcome = ask(picture, "-q", "red?", "--device", device)
    assert outcome.code == 2
    assert outcome.error.endswith("Use --device cpu, or install a PyTorch build for it.")


def test_a_gpu_number_that_is_not_there(ask: Command, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    outcome = ask(picture, "-q", "red?", "--device", "cuda:2")
    assert outcome.code == 2
    assert "there are 2" in outcome.error


def bad_pictures(folder: Path) -> list[str]:
    (folder / "folder.png").mkdir()
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("not a picture")
    noise((200, 200), 90).save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[:len(whole) // 2])
    Image.new("1", (11_000, 10_000)).save(folder / "bomb.png")
    os.mkfifo(folder / "pipe.jpg")
    return ["missing.png", "folder.png", "empty.jpg", "text.jpg", "cut.jpg", "bomb.png", "pipe.jpg"]


def test_a_bad_picture_is_named_and_the_others_go_on(ask: Command, picture: Path, tmp_path: Path) -> None:
    bad = bad_pictures(tmp_path)
    outcome = ask(*bad, picture, "-q", "red?")
    assert outcome.code == 1
    assert [line.split()[:2] for line in outcome.err.splitlines()] == [["error:", name] for name in bad]
    assert all(line.count(". ") == 1 and line.endswith(".") for line in outcome.err.splitlines())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scene.red.relevance.json",
                                                                          "scene.red.relevance.png"]


def test_the_only_picture_is_bad(ask: Command, tmp_path: Path) -> None:
    outcome = ask("missing.png", "-q", "red?")
    assert (outcome.code, outcome.error) == (1, "missing.png does not exist. Check the path.")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["scene.png", "scene.png/below", "/proc/mmx-out", "x" * 300])
def test_a_folder_that_cannot_be_written(ask: Command, picture: Path, out: str) -> None:
    outcome = ask(picture, "-q", "red?", "--out", out)
    assert outcome.code == 1
    assert outcome.error.startswith(f"Nothing can be written to {out}: ")
    assert outcome.error.endswith("Choose another folder with --out.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(ask: Command, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    outcome = ask(picture, "-q", "red?", "--out", "closed")
    assert outcome.code == 1
    assert "Permission denied" in outcome.error


def test_a_disk_that_fills_up_leaves_no_half_file(ask: Command, picture: Path, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, "write_bytes", full)
    outcome = ask(picture, "-q", "red?")
    assert outcome.code == 1
    assert "no space left on device" in outcome.error
    assert list((tmp_path / "out").iterdir()) == []


def test_what_fails_together_is_tried_alone(ask: Command, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmx.model import Model

    together = Model.explain_batch

    def too_much(self: Model, jobs: list, methods: list, **options: object) -> list:
        if len(jobs) > 1 or jobs[0].picture.image.width == 7:
            raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")
        return together(self, jobs, methods, **options)

    monkeypatch.setattr(Model, "explain_batch", too_much)
    Image.new("RGB", (7, 7)).save("wide.png")
    outcome = ask(picture, "wide.png", "-q", "red?")
    assert outcome.code == 1
    assert outcome.error == "wide.png: There is not enough memory. Try a smaller --batch-size, or --device cpu."
    assert "1 explained, 1 failed" in outcome.out


def test_a_fault_of_mmx_is_one_line_too(ask: Command, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ValueError("first\nsecond")

    monkeypatch.setattr("mmx.model.Model.explain_batch", broken)
    outcome = ask(picture, "-q", "red?")
    assert outcome.code == 1
    assert "ValueError: first second. This is a fault of mmx; --debug shows where it is." in outcome.error


def test_debug_shows_where(ask: Command, mmx: Command, picture: Path) -> None:
    for outcome in (ask("gone.png", "-q", "red?", "--debug"), mmx("explain", "--debug")):
        first, *_, last = outcome.err.splitlines()
        assert first == "Traceback (most recent call last):"
        assert last.startswith("error: ")
    assert "Traceback" not in ask("gone.png", "-q", "red?").err


def test_interrupted(ask: Command, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmx.model.Model.explain_batch", stop)
    outcome = ask(picture, "-q", "red?", "--json")
    assert (outcome.code, outcome.error) == (130, "Interrupted before there was anything to keep. Call it again.")
    assert json.loads(outcome.out)["failures"][0]["error"] == outcome.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("place", "said"), [
    ("mmx.cli.app", "Interrupted before anything was begun."), ("mmx.cli.beforehand", "before there was anything to")])
def test_interrupted_while_it_is_loaded(tmp_path: Path, place: str, said: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import importlib.abc, sys\n"
        "class Stop(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, *more):\n"
        f"        if name == {place!r}:\n"
        "            exec('raise KeyboardInterrupt')\n"
        "sys.meta_path.insert(0, Stop())\n"
        "sys.argv = ['mmx', 'explain', 'scene.png', '-q', 'red?']\n"
        "from mmx.__main__ import main\n"
        "main()\n")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(Path(mmx_package.__file__).parents[1])})
    [line] = done.stderr.splitlines()
    assert done.returncode == 130 and line.startswith("error: ") and said in line
