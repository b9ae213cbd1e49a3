"""Written answers as people read them, in a real browser: a click or an arrow key chooses a word.

Screenshots go to mmx-out/screenshots, to be looked at.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from demo_page import Page, Reader

import mmx
from mmx.shapes.world import draw_scene, render
from mmx.show.html import html_page

SCREENSHOTS = Path(__file__).parents[2] / "mmx-out" / "screenshots"
QUESTION, ANSWER = "what color is the circle?", "a yellow square and a blue circle"
WORDS = ANSWER.split()


@pytest.fixture(scope="module")
def pages(checkpoints: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An answer as HTML files, by one method and by two."""
    folder, model = tmp_path_factory.mktemp("written"), mmx.load(checkpoints["blip_vqa"])
    found = model.explain_methods(render(draw_scene(5029), 480).image, QUESTION, ["relevance", "random"],
                                  answer=ANSWER, target=[*range(len(WORDS)), "all"])
    for count in (1, 2):
        (folder / f"{count}.html").write_text(html_page(found[:count]), encoding="utf-8")
    return {str(count): f"file://{folder}/{count}.html" for count in (1, 2)}


@pytest.mark.parametrize(("scheme", "width", "height"), [
    ("light", 390, 844), ("dark", 1440, 900), pytest.param("dark", 390, 844, marks=pytest.mark.slow),
    pytest.param("light", 1440, 900, marks=pytest.mark.slow)])
@pytest.mark.parametrize("methods", ["1", "2"])
def test_a_file_is_read_word_by_word(browser: Any, pages: dict[str, str], methods: str, width: int, height: int,
                                     scheme: str) -> None:
    window = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    window.goto(pages[methods])
    reader = Reader(window)
    assert reader.words() == [*WORDS, "whole answer"]
    assert reader.chosen() == "a" and reader.told().startswith("a ")
    window.keyboard.press("Tab")
    assert reader.focus_is_seen()
    for word in (*WORDS[1:], "whole answer", "a"):
        window.keyboard.press("ArrowRight")
        assert reader.chosen() == word and reader.told().startswith(f"{word} ")
        assert reader.films() == int(methods)
    window.keyboard.press("ArrowLeft")
    assert reader.chosen() == "whole answer"
    reader.choose("circle")
    assert reader.chosen() == "circle" and reader.films() == int(methods)
    assert reader.has_colour(QUESTION.split()[0])
    if methods == "1":
        assert reader.has_colour("blue") and not reader.has_colour("circle", button=True)
    assert reader.films_cover_their_pictures()
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    window.screenshot(path=str(SCREENSHOTS / f"written-{methods}-{width}-{scheme}.png"), full_page=True)
    window.close()


def test_a_printed_file_shows_every_word(browser: Any, pages: dict[str, str]) -> None:
    window = browser.new_page(viewport={"width": 800, "height": 1100})
    window.goto(pages["1"])
    window.emulate_media(media="print")
    assert Reader(window).films() == len(WORDS) + 1
    window.screenshot(path=str(SCREENSHOTS / "written-print.png"), full_page=True)
    window.close()


@pytest.mark.parametrize(("dark", "width"), [
    (False, 390), (True, 1440), pytest.param(True, 390, marks=pytest.mark.slow),
    pytest.param(False, 1440, marks=pytest.mark.slow)])
def test_the_page_is_read_word_by_word(open_page: Callable[..., Page], checkpoints: dict[str, str], width: int,
                                       dark: bool) -> None:
    page = open_page(width=width, dark=dark)
    page.choose_checkpoint(checkpoints["blip_vqa"])
    page.click_sample(0)
    page.fill("Answer", ANSWER)
    page.explain()
    reader = page.reader()
    assert reader.words() == WORDS and reader.chosen() == "a"
    reader.choose("yellow")
    page.press("ArrowRight")
    assert reader.chosen() == "square" and reader.told().startswith("square ")
    assert reader.films() == 1 and reader.films_cover_their_pictures()
    assert reader.has_colour("yellow")
    page.screenshot(SCREENSHOTS / f"written-page-{width}-{'dark' if dark else 'light'}.png")
    assert page.overflow() == 0
    page.set_methods("relevance", "random")
    page.explain()
    assert page.reader().words() == WORDS and page.reader().films() == 2
    page.click_sample(1)
    assert page.field("Answer") == ""
