"""One strength over one ground has one colour: on a map, on a region, under a word, in a legend, in every form."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from by_hand import drawn, explanation_of, words_of
from PIL import Image

from mmx.results import Asked, Explanation, Item, Patches, Picture, Region, Regions
from mmx.show.blocks import scale_bar, shaded_words
from mmx.show.colors import Look, Shades, shades_of, text_color_on
from mmx.show.figure import figure_of
from mmx.show.html import html_figure
from mmx.show.lettering import Style
from mmx.show.panels import Scale
from mmx.show.view import Pictures, view_block

RAMP = [0.0, 0.25, 0.5, 0.75, 1.0]
SIGNED_RAMP = [-1.0, -0.5, 0.0, 0.5, 1.0]
CELL = 40
SIZE = (5 * CELL, 90)
LOOK = Look(alpha=0.5, cells=True)
WHITE, GREY, BLACK = (255,) * 3, (128,) * 3, (0,) * 3
KNOWN = {  # by ground and strength, with an alpha of 0.5
    (WHITE, 0.0): [255, 255, 255], (WHITE, 0.5): [254, 228, 196], (WHITE, 1.0): [218, 132, 142],
    (GREY, 0.0): [165, 165, 165], (GREY, 0.5): [192, 166, 133], (GREY, 1.0): [173, 87, 97],
    (BLACK, 0.0): [73, 73, 73], (BLACK, 0.5): [129, 103, 70], (BLACK, 1.0): [128, 42, 52]}


def shown(element: Patches | Regions, scores: list[float], ground: tuple[int, int, int]) -> Explanation:
    item = Item("answer", 7, "cat", 0.8, "softmax", {"image": 3 * np.array(scores)})
    picture = Picture(Image.new("RGB", SIZE, ground), "a.png", "00")
    return explanation_of((item,), Asked("What?"), SIZE, elements={"image": (element,)}, pictures=(picture,))


def of_patches(scores: list[float], ground: tuple[int, int, int]) -> Explanation:
    return shown(Patches(1, 5, (0.0, 0.0, *map(float, SIZE))), scores, ground)


def of_regions(scores: list[float], ground: tuple[int, int, int]) -> Explanation:
    boxes = [(float(left), 0.0, float(left + CELL), float(SIZE[1])) for left in range(0, SIZE[0], CELL)]
    return shown(Regions(tuple(map(Region, boxes)), "by hand"), scores, ground)


def in_figure(one: Explanation) -> np.ndarray:
    """Colours at the middles of the five patches or regions, as a figure draws them, (5, 3)."""
    view = figure_of([one], LOOK).rows[0].panels[0].views[0]
    return middles(drawn(view_block(view, Pictures(one.pictures), *SIZE)))


def middles(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels).astype(int)[SIZE[1] // 2, CELL // 2::CELL]


def in_overlay(one: Explanation) -> np.ndarray:
    return middles(np.asarray(one.overlay(alpha=LOOK.alpha, cells=True)))


def under_words(scores: list[float]) -> np.ndarray:
    """As a figure draws them, each on its chip: the most frequent colour of its part."""
    words = words_of("aa bb cc dd ee")
    item = Item("answer", 7, "cat", 0.8, "softmax", {"text": np.array([9, *scores, 9])})
    one = explanation_of((item,), Asked("aa bb cc dd ee"), (8, 8), elements={"text": (words,)})
    text = figure_of([one], LOOK).title_text
    chips = [replace(text, words=text.words[place:place + 1],
                     shades=replace(text.shades, strengths=text.shades.strengths[place:place + 1]))
             for place in range(5)]
    return np.array([drawn(shaded_words(chip, Style(60), 200))[12, 8] for chip in chips])




@pytest.mark.parametrize("ground", [WHITE, GREY, BLACK])
@pytest.mark.parametrize("scores", [RAMP, SIGNED_RAMP])
def test_maps_and_regions_are_of_the_same_colours(scores: list[float], ground: tuple[int, int, int]) -> None:
    expected = shades_of(np.array(scores), look=LOOK).colors.over(np.full((5, 3), ground), np.array(scores)).tolist()
    for one in (of_patches(scores, ground), of_regions(scores, ground)):
        assert in_figure(one).tolist() == in_overlay(one).tolist() == expected
    if scores == RAMP:
        for strength in (0.0, 0.5, 1.0):  # mixed in 8 bits
            assert expected[RAMP.index(strength)] == pytest.approx(KNOWN[ground, strength], abs=1)


@pytest.mark.parametrize("scores", [RAMP, SIGNED_RAMP])
def test_words_have_the_colours_of_a_map_over_white(scores: list[float]) -> None:
    assert under_words(scores).tolist() == in_figure(of_patches(scores, WHITE)).tolist()


@pytest.mark.parametrize("scores", [RAMP, SIGNED_RAMP])
def test_words_on_a_page_have_the_colours_of_a_map_over_white(scores: list[float]) -> None:
    words = words_of("aa bb cc dd ee")
    item = Item("answer", 7, "cat", 0.8, "softmax", {"text": np.array([9, *scores, 9])})
    page = html_figure([explanation_of((item,), Asked("aa bb cc dd ee"), (8, 8), elements={"text": (words,)})], LOOK)
    found = [list(map(int, color)) for color in re.findall(r"background:rgb\((\d+),(\d+),(\d+)\);color", page)]
    assert found == [color for color, score in zip(in_figure(of_patches(scores, WHITE)).tolist(), scores, strict=True)
                     if score]


@pytest.mark.parametrize("ground", [WHITE, GREY, BLACK])
@pytest.mark.parametrize("scores", [RAMP, SIGNED_RAMP])
def test_the_legend_of_a_page_has_the_colours_of_maps(scores: list[float], ground: tuple[int, int, int]) -> None:
    """Its columns are strengths; of its rows the first lies over white, the middle one over grey, the last over black.
    """
    page = html_figure([of_patches(scores, ground)], LOOK)
    [source] = re.findall(r'alt="from weakest to strongest"[^>]*src="data:image/webp;base64,([^"]+)"', page)
    legend = np.asarray(Image.open(BytesIO(b64decode(source))).convert("RGB")).astype(int)
    row = {WHITE: 0, GREY: legend.shape[0] // 2, BLACK: -1}[ground]
    ends = in_figure(of_patches(scores, ground))[[0, -1]]
    assert np.abs(legend[row, [0, -1]] - ends).max() <= 1  # over 127.5, where grey is 128


@pytest.mark.parametrize("scores", [RAMP, SIGNED_RAMP])
def test_the_scale_of_a_figure_has_the_colours_of_maps(scores: list[float]) -> None:
    """Somewhere in it there is every colour, over white, grey and black."""
    bar = drawn(scale_bar(Scale("", shades_of(np.array(scores), look=LOOK)), Style(100), 2400)).reshape(-1, 3)
    for ground in (WHITE, GREY, BLACK):
        for color in in_figure(of_patches(scores, ground)):
            assert np.abs(bar - color).max(axis=1).min() <= 4  # between two rows


@pytest.mark.parametrize("look", [Look(), Look(alpha=0.3), Look("viridis"), Look("coolwarm", 0.9)])
@pytest.mark.parametrize("scores", [RAMP, SIGNED_RAMP])
def test_full_strength_covers_alike_on_maps_regions_and_under_words(scores: list[float], look: Look) -> None:
    def strongest(one: Explanation) -> list[int]:
        view = figure_of([one], look).rows[0].panels[0].views[0]
        return drawn(view_block(view, Pictures(one.pictures), *SIZE))[SIZE[1] // 2, -CELL // 2].tolist()

    shades = shades_of(np.array(scores), look=look)
    on_map, on_region = strongest(of_patches(scores, WHITE)), strongest(of_regions(scores, WHITE))
    assert on_map == on_region == [*shades.colors.on_white(1.0)]
    assert strongest(of_patches(scores, BLACK)) == strongest(of_regions(scores, BLACK))


def test_letters_stand_out_from_their_chip() -> None:
    shades = Shades(np.ones(1), shades_of(np.ones(1), look=Look("viridis", 1.0)).colors, 1.0)
    assert shades.colors.on_white(1.0) == (253, 231, 37) and text_color_on((253, 231, 37)) != WHITE
