"""Files are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from mmx.errors import OutputError
from mmx.files import write_atomically, write_together


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    with pytest.raises(OutputError, match="that is a file, not a folder"):
        write_atomically(blocked / "a", b"")
    with pytest.raises(OutputError, match="null"):
        write_atomically(Path("no\0folder") / "a", b"")
    assert blocked.read_text() == "mine"


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_failed_write_keeps_the_old_file_and_no_part(failing: str, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "a.json"
    target.write_bytes(b"old")

    def full(path: Path, *_: object) -> None:
        if failing == "write_bytes":
            path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((Path, "write_bytes") if failing == "write_bytes" else (os, "replace")), full)
    with pytest.raises(OutputError, match="no space left") as caught:
        write_atomically(target, b"new")
    monkeypatch.undo()
    assert str(tmp_path) in str(caught.value)
    assert caught.value.hint
    assert files_in(tmp_path) == ["a.json"]
    assert target.read_bytes() == b"old"


def test_interrupted_write_leaves_no_part(tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", b"new")
    assert files_in(tmp_path) == []


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_together({tmp_path / "good": b"1", tmp_path / ("x" * 300) / "bad": b"2"})
    assert files_in(tmp_path) == []


def test_write_replaces_what_was_there(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        write_atomically(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content
