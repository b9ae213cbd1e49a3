"""`mmx draw`: the figure again out of the JSON file, the same to the byte, without a model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_outcome import Command
from PIL import Image

from mmx import Explanation


@pytest.fixture
def written(ask: Command, picture: Path, tmp_path: Path) -> Path:
    """An explanation by two methods, and their sheet."""
    assert ask(picture, "-q", "red?", "-m", "relevance", "-m", "rollout", "--html").code == 0
    return tmp_path / "out"


def test_it_is_the_same_figure(mmx: Command, written: Path, tmp_path: Path) -> None:
    files = [written / f"scene.red.{name}.json" for name in ("relevance", "rollout")]
    outcome = mmx("draw", *files, "--out", tmp_path / "again")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [f"wrote {tmp_path}/again/{path.stem}.png" for path in files]
    for name in ("relevance", "rollout"):
        again = tmp_path / "again" / f"scene.red.{name}.png"
        assert again.read_bytes() == (written / f"scene.red.{name}.png").read_bytes()


def test_methods_side_by_side(mmx: Command, written: Path, tmp_path: Path) -> None:
    files = (written / "scene.red.relevance.json", written / "scene.red.rollout.json")
    assert mmx("draw", *files, "--together", "--out", "again").code == 0
    assert Path("again/methods.png").read_bytes() == (written / "scene.red.methods.png").read_bytes()
    assert mmx("draw", *files, "--together", "--html", "--out", "again").code == 0
    assert Path("again/methods.html").read_bytes() == (written / "scene.red.html").read_bytes()


def test_every_format_is_drawn_in_one_go(mmx: Command, written: Path) -> None:
    document = written / "scene.red.relevance.json"
    outcome = mmx("draw", document, "--format", "svg,png", "--format", "pdf", "--out", "again")
    assert (outcome.code, outcome.err) == (0, "")
    names = [f"scene.red.relevance.{ending}" for ending in ("svg", "png", "pdf")]
    assert outcome.out.splitlines() == [f"wrote again/{name}" for name in names]
    assert sorted(path.name for path in Path("again").iterdir()) == sorted(names)
    contents = [Path("again", name).read_bytes() for name in names]
    assert contents[0].startswith(b"<?xml") and contents[2].startswith(b"%PDF-")
    assert contents[1] == (written / "scene.red.relevance.png").read_bytes()


def test_an_overlay_is_the_picture_alone_with_its_map(mmx: Command, written: Path) -> None:
    document = written / "scene.red.relevance.json"
    look = ("--cmap", "viridis", "--alpha", "0.9", "--cells")
    outcome = mmx("draw", document, "--figure", "overlay", *look, "--out", "again")
    assert outcome.out.splitlines() == ["wrote again/scene.red.relevance.png"]
    one = Explanation.from_dict(json.loads(document.read_text()))
    with Image.open("again/scene.red.relevance.png") as drawn:
        assert drawn.size == one.picture.size
        assert drawn.tobytes() == one.overlay(cmap="viridis", alpha=0.9, cells=True).tobytes()


@pytest.mark.parametrize(("asked", "said"), [
    (("--format", "json"), "--format json leaves nothing to draw."),
    (("--format", "bmp"), "No format named 'bmp'."), (("--format", "png,bmp"), "No format named 'bmp'."),
    (("--figure", "poster"), "No figure named 'poster'."), (("--cmap", "nope"), "matplotlib has no colour map 'nope'."),
    (("--alpha", "1.5"), "An alpha of 1.5 makes no sense."), (("--alpha", "nan"), "An alpha of nan makes no sense."),
    (("--figure", "overlay", "--together"), "Methods side by side are drawn as a sheet.")])
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(mmx: Command, written: Path, asked: tuple[str, ...],
                                                                    said: str) -> None:
    files = (written / "scene.red.relevance.json", written / "scene.red.rollout.json")
    outcome = mmx("draw", *files, *asked, "--out", "again")
    assert outcome.code == 2 and outcome.error.startswith(said) and not Path("again").exists()


def test_a_figure_that_is_there_stays_unless_it_is_to_be_replaced(mmx: Command, written: Path) -> None:
    figure = written / "scene.red.relevance.png"
    figure.write_bytes(b"mine")
    outcome = mmx("draw", written / "scene.red.relevance.json", "--out", written)
    assert outcome.code == 2 and outcome.error.startswith(f"{figure} is there already.")
    assert figure.read_bytes() == b"mine"
    assert mmx("draw", written / "scene.red.relevance.json", "--out", written, "--overwrite").code == 0
    assert figure.read_bytes() != b"mine"


def test_a_picture_that_has_moved_is_given(mmx: Command, written: Path, picture: Path, tmp_path: Path) -> None:
    moved = picture.rename(tmp_path / "moved.png")
    document = written / "scene.red.relevance.json"
    outcome = mmx("draw", document)
    assert outcome.code == 2 and "cannot be opened any more. Give it: mmx draw --image" in outcome.error
    assert mmx("draw", document, "--image", moved).code == 0
    assert Path("mmx-draw/scene.red.relevance.png").read_bytes() == (written / "scene.red.relevance.png").read_bytes()
    Image.new("RGB", (60, 40)).save("other.png")
    outcome = mmx("draw", document, "--image", "other.png", "--overwrite")
    assert outcome.code == 2 and outcome.error.startswith(f"{document} is of another picture than other.png.")


@pytest.mark.parametrize(("content", "said"), [
    (None, "f.json cannot be read (No such file or directory)."), ("{", "f.json is not JSON."),
    ("[]", "f.json: This is no explanation"), (json.dumps({"schema_version": 1, "items": []}), "but of version 1"),
    (json.dumps({"schema_version": 2, "items": []}), "f.json: This explanation is damaged: model is missing")])
def test_what_is_no_explanation_is_refused(mmx: Command, content: str | None, said: str) -> None:
    if content is not None:
        Path("f.json").write_text(content)
    outcome = mmx("draw", "f.json")
    assert outcome.code == 2 and said in outcome.error and not Path("mmx-draw").exists()


def test_two_figures_of_one_name_are_refused(mmx: Command, written: Path) -> None:
    outcome = mmx("draw", written / "scene.red.relevance.json", written / "scene.red.relevance.json")
    assert outcome.code == 2
    assert outcome.error.startswith("Several files would be drawn as mmx-draw/scene.red.relevance")


def test_no_torch_is_loaded(written: Path) -> None:
    code = ("import sys; from mmx.cli.app import app; "
            "app(['draw', sys.argv[1], '--out', 'again'], standalone_mode=False); assert 'torch' not in sys.modules")
    done = subprocess.run([sys.executable, "-c", code, str(written / "scene.red.relevance.json")], check=False,
                          capture_output=True, text=True, cwd=written)
    assert done.returncode == 0, done.stderr
