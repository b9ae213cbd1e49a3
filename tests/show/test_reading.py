"""A written answer as HTML: words to choose among without a script, and what hangs on the chosen one."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from by_hand import NASTY, Parsed, by, visible
from noise import noise
from PIL import Image

from mmx.results import Explanation, Patches, Picture, Region, Regions
from mmx.show.colors import SEQUENTIAL, Colors, Look
from mmx.show.figure import figure_of
from mmx.show.html import html_figure, html_page
from mmx.show.view import film_of, under_relevance, without_strengths

PHOTO = noise((64, 48), 60)


def rules(html: str) -> dict[int, dict[str, str]]:
    """Of each row, the variables that choosing it sets."""
    found = re.findall(r':has\(\[value="(\d+)"\]:checked\)\{([^}]*)\}', html)
    return {int(row): dict(one.split(":") for one in told.split(";") if one) for row, told in found}


def buttons(html: str) -> list[tuple[str, str, bool]]:
    """Row, text and whether it is chosen at first, as the arrow keys go."""
    found = re.findall(r'<input type="radio" name="word" value="(\d+)"( checked)?><span[^>]*>([^<]*)</span>', html)
    return [(row, text, bool(checked)) for row, checked, text in found]


def rows_shown(html: str) -> dict[int, int]:
    """Of each row, how many parts of the figure choosing it shows."""
    assert set(re.findall(r":checked\) \.mmx-row-(\d+)\{display:block\}", html)) == set(
        re.findall(r'class="mmx-row mmx-row-(\d+)"', html))
    found = re.findall(r'class="mmx-row mmx-row-(\d+)"', html)
    return {int(row): found.count(row) for row in found}


def films(html: str) -> list[Image.Image]:
    return [Image.open(BytesIO(b64decode(one)))
            for one in re.findall(r'style="background-image:url\(data:image/webp;base64,([^)]+)\)"', html)]


def background(html: str, words: str, name: str) -> list[str]:
    """The variables that are the colours of some words in a row, in a text."""
    found = re.findall(r'<span style="background:var\((--b[\d-]+)\);color:var\(--c[\d-]+\)">([^<]*)</span>', html)
    texts = [text for _, text in found]
    start = next(place for place in range(len(texts)) if texts[place:place + len(words.split())] == words.split())
    return [variable for variable, _ in found[start:start + len(words.split())] if variable.startswith(name)]


def test_the_words_are_buttons_and_the_first_is_chosen(written) -> None:
    html = html_page([written(whole=True)])
    assert buttons(html) == [("0", "a", True), ("1", "red", False), ("2", "cat", False), ("3", ",", False),
                             ("4", "asleep", False), ("5", "whole answer", False)]
    assert rows_shown(html) == dict.fromkeys(range(6), 2)
    assert re.search(r"<fieldset>\s*<legend>Answer \(&lt;\u00a01\u00a0%\)", html)
    assert '<form class="mmx-reading' in html and 'method="dialog"' in html and "form-action 'none'" in html
    assert len(films(html)) == 6


def test_words_that_are_not_explained_are_no_buttons(written) -> None:
    one = written(whole=True)
    chosen = replace(one, items=tuple(one.items[place] for place in (5, 2, 1)))
    html = html_figure([chosen])
    assert buttons(html) == [("2", "red", True), ("1", "cat", False), ("0", "whole answer", False)]
    phrase = replace(one[1], label="red cat", span=(2, 9))
    assert buttons(html_figure([replace(one, items=(one[0], phrase))])) == [("0", "a", True), ("1", "red cat", False)]


@pytest.mark.parametrize("together", [False, True])
def test_the_chosen_word_colours_the_question_and_the_words_before_it(written, together: bool) -> None:
    """In the question and in the buttons themselves; what is written later never."""
    one = written(together=together)
    html, shades = html_figure([one]), figure_of([one], every_word=True).rows
    asked, said = background(html, "What is it ?", "--b0-0-"), background(html, "a red cat , asleep", "--b0-1-")
    assert len(asked) == 4 and len(said) == 5
    for row, told in rules(html).items():
        for names, text in zip((asked, said), shades[row].panels[0].texts, strict=True):
            strengths = np.zeros(len(names))
            strengths[:len(text.words)] = text.shades.strengths
            for name, strength in zip(names, strengths, strict=True):
                red, green, blue = Colors(SEQUENTIAL).on_white(strength)
                assert told.get(name) == (f"#{red:02x}{green:02x}{blue:02x}" if strength >= 0.05 else None)
                assert (name.replace("--b", "--c") in told) == (strength >= 0.05)


def test_every_variable_in_use_is_one_that_a_word_sets(written) -> None:
    html = html_figure(by(written(whole=True), "one", "two"))
    used = set(re.findall(r"var\((--[bc][\d-]+)\)", html))
    assert {name for told in rules(html).values() for name in told} <= used
    assert {name[:4] for name in used} == {"--b0", "--b1", "--c0", "--c1"}


def test_methods_take_the_same_choice(written) -> None:
    html = html_page(by(written(), "one", "two", "three"))
    Parsed(html)
    assert len(buttons(html)) == 5 and html.count("<form") == 1
    assert rows_shown(html) == dict.fromkeys(range(5), 4)  # the heading, and a map by each
    assert len(films(html)) == 15 and "whole answer" not in html
    assert all(visible(html).count(name) >= 1 for name in ("one", "two", "three"))


def test_what_a_word_needs_of_the_picture_is_told_with_any_number_of_methods(written) -> None:
    one = written(whole=True)
    needs = replace(one, items=tuple(replace(item, log_probability=-0.5, log_probability_without_picture=-0.5 - drop)
                                     for item, drop in zip(one.items, (0.0, 3.2, -1.5, 0.0, 2.0, 4.0), strict=True)))
    by_one, by_two = html_figure([needs]), html_figure([needs, replace(needs, method="rollout")])
    for html, before in ((by_one, r'class="mmx-row mmx-row-{}">'), (by_two, r'role="status">.*?mmx-row-{}"')):
        for row, told in ((0, "hardly needs the picture"), (1, "needs the picture: \u22123.2\u00a0nats without it"),
                          (2, "more probable without the picture: +1.5\u00a0nats")):
            shown = re.search(before.format(row) + r"(.*?)mmx-row-", html, re.DOTALL)
            assert shown is not None and told in shown[1]
    assert "needs the picture" not in html_figure([one, replace(one, method="rollout")])


@pytest.mark.parametrize("box", [(0.0, 0.0, 64.0, 48.0), (16.0, 0.0, 48.0, 48.0)])
@pytest.mark.parametrize("look", [Look(), Look(cells=True), Look("viridis", 1.0)])
def test_a_film_on_its_pale_picture_is_the_map(written, box: tuple[float, ...], look: Look) -> None:
    one = written()
    elements = {**one.elements, "image": (Patches(2, 3, box),)}  # type: ignore[arg-type]
    layers = figure_of([replace(one, elements=elements)], look).rows[2].panels[0].views[0].layers
    film = film_of(layers, PHOTO.size, PHOTO.size)
    pale = under_relevance(PHOTO, without_strengths(layers), PHOTO.size)
    laid = Image.alpha_composite(pale.convert("RGBA"), film).convert("RGB")
    wanted = np.asarray(under_relevance(PHOTO, layers, PHOTO.size)).astype(int)
    assert np.abs(np.asarray(laid).astype(int) - wanted).max() <= 2
    assert np.asarray(pale).std() > 0 and np.asarray(film)[..., 3].max() > 100


def test_the_picture_is_there_once(written) -> None:
    """However many words: a map is small."""
    photo = Picture(noise((640, 480), 60), "a.jpg", "00ff")
    few, many = (written("cat " * count, size=(640, 480), grid=(24, 24), pictures=(photo,)) for count in (4, 40))
    short, long = html_figure([few]), html_figure([many])
    assert len(re.findall(r"\{background-image:url\(data:", long)) == 1
    assert len(long) - len(short) < 36 * 10_000 < len(short) * 36 / 10
    assert {film.size for film in films(long)} == {(224, 168)} and len(films(long)) == 40
    assert {film.size for film in films(html_figure([few], Look(cells=True)))} == {(840, 630)}


def test_nothing_else_can_be_reached_and_everything_is_escaped(written) -> None:
    html = html_page([written(NASTY, NASTY, model=replace(written().model, name=NASTY))])
    parsed = Parsed(html)
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "iframe", "object", "a"}
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert "<script" not in html and "<img src=x" not in html
    assert set(re.findall(r"url\((.{10})", html)) == {"data:image"}
    style = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    assert "alert" not in style and "@import" not in style


def test_figures_on_one_page_leave_each_other_alone(written) -> None:
    """Each has a form of its own, so that its buttons are a group of their own, and rules under a name of its own."""
    one, other = html_figure([written()]), html_figure([written("two dogs here")])
    names = [set(re.findall(r'<form class="mmx-reading (mmx-\w+)"', html)) for html in (one, other)]
    assert all(len(name) == 1 for name in names) and names[0] != names[1]
    for html, [name] in ((one, names[0]), (other, names[1])):
        assert {found[0] for found in re.findall(r"\.(mmx-\w+)(:has\(\[)", html)} == {name}
    assert html_figure([written()]) == one


def test_it_can_be_printed_and_read_where_css_is_old(written) -> None:
    """Then all words are there, each with its picture under its name."""
    html = html_page([written()])
    assert "@supports not selector(:has(a))" in html and "@media print" in html
    assert html.count('<div class="mmx-told"') == 5


def test_maps_are_told_to_those_who_do_not_see_them(written) -> None:
    html = html_figure([written()])
    assert re.findall(r'role="img" aria-label="([^"]*)"', html)[1] == "What is it? red 25\u00a0%"
    assert 'role="status"' in html and "strongest words: it 0.6, cat 0.5, is 0.4" in visible(html)


def test_words_without_a_map_and_words_over_regions_are_read_too(written) -> None:
    html = html_figure([written(map_stream="")])
    assert films(html) == [] and len(buttons(html)) == 5 and html.count('role="img"') == 5
    regions = Regions(tuple(Region((10.0 * place, 0.0, 10.0 * place + 9, 40.0), "thing") for place in range(6)))
    one = written()
    over = html_figure([replace(one, elements={**one.elements, "image": (regions,)})])
    assert films(over) == [] and len(buttons(over)) == 5
    assert len(re.findall(r'<img alt="What is it\?', over)) == 5


def test_other_explanations_are_as_they_were(mixed: Explanation) -> None:
    assert "mmx-reading" not in html_page([mixed]) and "<form" not in html_figure([mixed])
