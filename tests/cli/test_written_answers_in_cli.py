"""An answer that a model writes, on the command line: a row for each word, and files that can be drawn again."""

import json
from pathlib import Path

import pytest
from cli_outcome import Command

QUESTION, ANSWER = "what color is the circle?", "two red circles"


@pytest.fixture
def write(mmx: Command, tiny_blip_vqa: Path, tmp_path: Path) -> Command:
    """`mmx explain` of the answer."""
    return lambda *more: mmx("explain", *more, "-q", QUESTION, "--answer", ANSWER, "--model", tiny_blip_vqa, "--out",
                             tmp_path / "out")


def words_told(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines() if line.startswith("  ") and "%" in line]


def test_each_word_is_a_row(write: Command, picture: Path) -> None:
    out = write(picture).out
    assert words_told(out) == ["answer", "two", "red", "circles"]
    assert "  word     softmax  without the picture  words" in out and "every score is 0" not in out


def test_each_word_has_a_row_by_every_method(write: Command, picture: Path) -> None:
    out = write(picture, "-t", "all", "-t", "red", "-m", "relevance,random").out
    assert words_told(out) == ["answer", "whole", "whole", "red", "red"]
    assert out.count("relevance ") == out.count("random ") == 2


def test_of_many_pictures_the_answer_is_told(write: Command, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "other.png").write_bytes(picture.read_bytes())
    rows = [line for line in write(picture, tmp_path / "other.png").out.splitlines() if ANSWER in line]
    assert len(rows) == 2 and all("3 words" in row and "(answers" not in row for row in rows)


@pytest.mark.parametrize("chosen", [(), ("-t", "red", "-t", "all")])
def test_what_was_written_is_drawn_again(write: Command, mmx: Command, picture: Path, tmp_path: Path,
                                         chosen: tuple[str, ...]) -> None:
    write(picture, *chosen, "--html")
    [report], [page] = (tmp_path / "out").glob("*.json"), (tmp_path / "out").glob("*.html")
    assert page.read_text().count('type="radio"') == len(json.loads(report.read_text())["items"])
    for more in ((), ("--html",)):
        assert mmx("draw", report, "--image", picture, "--out", tmp_path / "again", *more).code == 0
    assert (tmp_path / "again" / report.with_suffix(".png").name).read_bytes() == report.with_suffix(
        ".png").read_bytes()
    assert (tmp_path / "again" / report.with_suffix(".html").name).read_text() == page.read_text()
