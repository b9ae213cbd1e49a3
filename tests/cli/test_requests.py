"""What is asked about: pictures, folders, stdin; names of files; the grammars of --regions and --max-memory."""

import io
import sys
from pathlib import Path

import pytest
from cli_outcome import Command, report
from PIL import Image

from mmx.cli.opening import parse_memory, parse_regions
from mmx.cli.requests import gather_requests, unique_names
from mmx.errors import ImageError, UsageError
from mmx.images import open_picture
from mmx.results import Asked, file_stem


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
    found = gather_requests([str(folder), "one.png"], ["red?"], None, None, (), recursive=recursive)
    assert [one.image for one in found] == [*(str(folder / name) for name in names), "one.png"]
    assert len({one.name for one in found}) == len(names) + 1


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
    piped, opened = report(tmp_path, "stdin*.json"), report(tmp_path)
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
    assert sorted(path.suffixes[-2] for path in (tmp_path / "out").glob("*.json")) == [
        ".random", ".raw-attention", ".rollout"]


@pytest.mark.parametrize(("images", "names"), [
    (["a.png", "b.png"], ["a", "b"]),
    (["x/a.png", "b.png", "y/a.png"], ["x-a", "b", "y-a"]),
    (["x/1/a.png", "y/1/a.png", "a.png"], ["x-1-a", "y-1-a", "a"]),
    (["a.png", "b.png", "a.png"], ["a-1", "b", "a-3"]),
    (["a.png", "A.png"], ["a-png-1", "A-png-2"]),
    (["a.png", "a.jpg", "x/a.png"], ["a-png", "a-jpg", "x-a"]),
    (["a?b.png", "..", "", "x:y?.png"], ["a_b", "picture-1", "picture-2", "x_y_"]),
    (["e\u0301.png", "\u00e9.png"], ["\u00e9-png-1", "\u00e9-png-2"]),
    (["हिन्दी", "日本"], ["हिन्दी", "日本"]),
    (["\udcff"], ["_"]),
])
def test_names_are_unique_and_fit_every_file_system(images: list[str], names: list[str]) -> None:
    assert unique_names(images, [None] * len(images)) == names


def test_what_is_asked_of_one_picture_needs_no_other_name() -> None:
    assert unique_names(["a.png"] * 4, ["x", "y", "x", "z"]) == ["a-1", "a", "a-3", "a"]


def test_long_names_stay_apart() -> None:
    names = unique_names(["字" * 200 + "a", "字" * 200 + "b"], [None, None])
    assert len(set(names)) == 2
    assert all(len(name.encode()) < 180 for name in names)


@pytest.mark.parametrize(("asked", "stem"), [
    (Asked(), "cat"), (Asked("what is it?"), "cat.what-is-it"), (Asked("What is it?"), "cat.What-is-it"),
    (Asked("is it, red?"), "cat.is-it-red-fd7f8c"), (Asked("is it red"), "cat.is-it-red-3b387b"),
    (Asked("was ist grün?", targets=(3, 12)), "cat.was-ist-grün_target-3_target-12"),
    (Asked(texts=("a dog", "a cat")), "cat.a-dog_a-cat"), (Asked(threshold=0.5), "cat"),
    (Asked(threshold=0.7), "cat.above-0.7"), (Asked(class_name="red star", queries=(3,)), "cat.class-red-star_query-3"),
])
def test_names_of_files_tell_what_was_asked(asked: Asked, stem: str) -> None:
    assert file_stem("/photos/cat.jpg", asked) == stem


@pytest.mark.parametrize(("one", "other"), [
    (Asked("red!"), Asked("red")), (Asked("a b?"), Asked("a-b?")), (Asked("?"), Asked("??")),
    (Asked("x" * 99), Asked("x" * 98)),
    (Asked(texts=("a", "b")), Asked(texts=("a b",))), (Asked(texts=("a_b",)), Asked(texts=("a", "b"))),
    (Asked("\ud83d?"), Asked("\ud83e?")), (Asked(threshold=0.1), Asked(threshold=0.1000000001)),
])
def test_what_is_asked_differently_is_named_differently(one: Asked, other: Asked) -> None:
    stems = [file_stem("cat.jpg", asked) for asked in (one, other)]
    assert stems[0] != stems[1] and all(len(stem.encode()) < 80 and "/" not in stem for stem in stems)


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
