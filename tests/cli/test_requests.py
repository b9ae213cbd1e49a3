"""What is asked about: pictures, folders, stdin; names of files; the grammars of --regions and --max-memory."""

import io
import sys
from pathlib import Path

import pytest
from cli_outcome import Command, report
from PIL import Image

from mmx.cli.opening import parse_memory, parse_regions
from mmx.cli.requests import gather_requests, unique_stems
from mmx.errors import ImageError, UsageError
from mmx.images import open_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures beside other files, more in a folder below it, one that is hidden."""
    place = tmp_path / "photos"
    for name in ("b.PNG", "a.jpg", "c.webp", "below/a.jpg", "below/z.tif", ".hidden.jpg"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20)).save(place / name)
    (place / "notes.txt").write_text("no picture")
    (place / "d.jpg").mkdir()
    return place


@pytest.mark.parametrize(("recursive", "names"), [
    (False, ["a.jpg", "b.PNG", "c.webp"]), (True, ["a.jpg", "b.PNG", "below/a.jpg", "below/z.tif", "c.webp"])])
def test_a_folder_stands_for_its_pictures_in_order(folder: Path, recursive: bool, names: list[str]) -> None:
    found = gather_requests([str(folder), "one.png"], "red?", None, None, (), recursive=recursive)
    assert [one.image for one in found] == [*(str(folder / name) for name in names), "one.png"]
    assert len({one.stem for one in found}) == len(names) + 1


def test_a_folder_is_explained_and_one_without_pictures_is_named(ask: Command, folder: Path, tmp_path: Path) -> None:
    outcome = ask(folder, folder / "d.jpg", "-q", "red?")
    assert outcome.code == 1
    assert outcome.error.startswith(f"{folder / 'd.jpg'} is a folder without pictures")
    assert len(list((tmp_path / "out").glob("*.json"))) == 3


def test_a_picture_comes_from_stdin(ask: Command, picture: Path, tmp_path: Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture.read_bytes())))
    outcome = ask("-", picture, "-q", "red?")
    assert (outcome.code, outcome.err) == (0, "")
    piped, opened = report(tmp_path, "stdin.relevance.json"), report(tmp_path)
    assert piped["images"] == [{**opened["images"][0], "source": "stdin"}]
    assert piped["items"] == opened["items"]


@pytest.mark.parametrize("address", ["https://example.org/a%20b.jpg?x=1", "http://[::1]/a.png", "s3://bucket/a.png",
                                     "FILE:///tmp/a.png"])
def test_a_url_is_said_to_be_one(address: str) -> None:
    for given in (address, Path("photos") / address):
        with pytest.raises(ImageError) as error:
            open_picture(given)
        assert str(error.value).startswith(f"{address.replace(':///', '://')} is a URL")


def test_a_file_that_looks_like_a_url_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "s3:").mkdir()
    Image.new("RGB", (7, 5)).save(tmp_path / "s3:" / "a.png")
    assert open_picture(tmp_path / "s3:" / "a.png").size == (7, 5)


def test_methods_stand_between_commas_or_one_by_one(ask: Command, picture: Path, tmp_path: Path) -> None:
    assert ask(picture, "-q", "red?", "-m", "rollout, random", "-m", "raw-attention").code == 0
    assert sorted(path.suffixes[0] for path in (tmp_path / "out").glob("*.json")) == [
        ".random", ".raw-attention", ".rollout"]


@pytest.mark.parametrize(("names", "stems"), [
    (["a", "b"], ["a", "b"]),
    (["a", "b", "a"], ["a-1", "b", "a-3"]),
    (["a", "A"], ["a-1", "A-2"]),
    (["a", "a", "a-1", "A-2"], ["a-1_", "a-2_", "a-1", "A-2"]),
    (["a/b", "..", "", "x:y?"], ["a_b", "picture-2", "picture-3", "x_y_"]),
    (["e\u0301", "\u00e9"], ["\u00e9-1", "\u00e9-2"]),
    (["हिन्दी", "日本"], ["हिन्दी", "日本"]),
    (["\udcff"], ["_"]),
])
def test_stems_are_unique_and_fit_every_file_system(names: list[str], stems: list[str]) -> None:
    assert unique_stems(names) == stems


def test_long_names_stay_apart() -> None:
    stems = unique_stems(["字" * 200 + "a", "字" * 200 + "b"])
    assert len(set(stems)) == 2
    assert all(len(stem.encode()) < 180 for stem in stems)


@pytest.mark.parametrize(("text", "options"), [
    (None, None), ("grid", {"provider": "grid"}), ("grid:3x12", {"provider": "grid", "rows": 3, "columns": 12}),
    ("grid:64X1", {"provider": "grid", "rows": 64, "columns": 1})])
def test_regions(text: str | None, options: dict | None) -> None:
    assert parse_regions(text) == options


@pytest.mark.parametrize(("text", "size"), [
    (None, None), ("1", 1), ("500MB", 500_000_000), ("2gb", 2_000_000_000), ("1.5 GiB", 3 * 2**29), ("10k", 10_000),
    ("1Kib", 1024), (" 7 B ", 7)])
def test_memory(text: str | None, size: int | None) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "2 GBs", "0.5", "\u0662", "9" * 400])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        parse_memory(text)
