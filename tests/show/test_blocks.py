"""Blocks of a sheet: paragraphs in any script, headings, scales."""

import numpy as np
import pytest
from by_hand import drawn
from matplotlib.text import Text

from mmx.show.blocks import column, filled, on_matte, paragraph, paragraphs, row, scale_bar, titled, under_headings
from mmx.show.colors import PALE, Look, Shades, shades_of
from mmx.show.lettering import Style, text_width
from mmx.show.panels import Scale

STYLE = Style(20)
RED, BLUE = (200, 0, 0), (0, 0, 200)


def inked_columns(pixels: np.ndarray) -> np.ndarray:
    return np.flatnonzero((pixels.min(axis=2) < 128).any(axis=0))


def test_paragraph_grows_with_its_text() -> None:
    short, long = paragraph("why", STYLE, 300), paragraph("why " * 200, STYLE, 300)
    assert (short.width, short.height) == (300, STYLE.line_height)
    assert long.width == 300
    assert long.height > 20 * short.height
    assert paragraph("", STYLE, 300).height == 0


def test_nothing_of_a_paragraph_is_cut() -> None:
    for text in ("Ágjpqy " * 40, "x" * 400, "ما لون الكرة؟ " * 20, "猫はどこですか" * 20):
        pixels = drawn(paragraph(text, STYLE, 300), margin=10)
        edges = (pixels[:10], pixels[-10:], pixels[:, :9], pixels[:, -9:])
        assert all((edge == 255).all() for edge in edges)


def test_a_word_of_a_hundred_thousand_letters_is_set() -> None:
    block = paragraph("x" * 100_000, STYLE, 300)
    assert len(block.get_children()) <= 101 and block.height <= 101 * STYLE.line_height
    assert block.get_children()[-1].get_text() == "\u2026"


@pytest.mark.parametrize("text", ["מה צבע", "ما لون الكرة؟"])
def test_right_to_left_lines_start_at_the_right(text: str) -> None:
    columns = inked_columns(drawn(paragraph(text, STYLE, 400)))
    assert columns.min() > 200 and columns.max() > 394


def test_left_to_right_lines_start_at_the_left() -> None:
    columns = inked_columns(drawn(paragraph("red מה", STYLE, 400)))
    assert columns.min() < 6 and columns.max() < 200


def seen(text: str) -> list[str]:
    """Its words from left to right, known by the width of their ink: no two may be of one width."""
    style = Style(40)

    def widths(one: str) -> list[int]:
        columns = inked_columns(drawn(paragraph(one, style, text_width(one, style) + 20)))
        return [int(part[-1] - part[0] + 1) for part in np.split(columns, np.flatnonzero(np.diff(columns) > 9) + 1)]

    alone = {word: widths(word)[0] for word in text.split()}
    return [min(alone, key=lambda word: abs(alone[word] - width)) for width in widths(text)]


@pytest.mark.parametrize(("text", "order"), [
    ("ii wwww 12", "ii wwww 12"), ("אאאא ה ווו", "ווו ה אאאא"), ("ii אאאא wwww", "ii אאאא wwww"),
    ("ii אאאא ה wwwwww", "ii ה אאאא wwwwww"), ("ii אאאא ה", "ii ה אאאא"), ("אאאא wwwwww ii ה", "ה wwwwww ii אאאא"),
    ("אאאא wwwwww ii", "wwwwww ii אאאא"), ("אאאא 12 3456", "3456 12 אאאא"), ("ii אאאא 12", "ii אאאא 12"),
    ("12 ii אאאא", "12 ii אאאא"), ("? אאאא ה", "ה אאאא ?"), ("ww אאאא - iiiiii", "ww אאאא - iiiiii")])
def test_words_of_both_directions_are_read_in_their_order(text: str, order: str) -> None:
    """As the first letter has it: the others are turned around where they stand."""
    assert seen(text) == order.split(" ")


def test_a_number_keeps_its_percent_sign_in_a_line_from_the_right() -> None:
    """As in a title: there is no break between them."""
    assert seen("אאאאאא iiii 83\u00a0%") == ["iiii", "83", "%", "אאאאאא"]


def test_a_line_without_its_paragraphs_letters_still_has_its_direction() -> None:
    """Broken so that a line of a right-to-left text has Latin letters alone: it stands at the right as well."""
    width = text_width("red ball 12", STYLE) + 2
    pixels = drawn(paragraph("מה צבע ? red ball 12 צבע מה", STYLE, width))
    lines = [pixels[top:top + STYLE.line_height] for top in range(0, len(pixels), STYLE.line_height)]
    assert len(lines) >= 3 and min(inked_columns(line).max() for line in lines) > width - 8


def test_lines_of_one_direction_are_handed_on_as_they_are() -> None:
    [line] = paragraph("red ball 83 %?", STYLE, 400).get_children()
    assert line.get_text() == "red ball 83 %?" and not line.get_parse_math()


def test_texts_stand_beneath_each_other() -> None:
    one, both = drawn(paragraphs(["a"], STYLE, 100)), drawn(paragraphs(["a", "a"], STYLE, 100))
    assert both.shape[0] == 2 * one.shape[0]
    assert (both[:one.shape[0]] == one).all() and (both[one.shape[0]:] == one).all()


def test_a_column_keeps_its_gaps_and_a_row_its_gutter() -> None:
    pixels = drawn(column([(0, filled(20, 10, RED)), (7, filled(30, 5, BLUE))]))
    assert pixels.shape == (22, 30, 3)
    assert (pixels[:10, :20] == RED).all() and (pixels[10:17] == 255).all() and (pixels[17:] == BLUE).all()
    pixels = drawn(row([filled(20, 10, RED), filled(30, 5, BLUE)], 6))
    assert pixels.shape == (10, 56, 3)
    assert (pixels[:, :20] == RED).all() and (pixels[:, 20:26] == 255).all() and (pixels[:5, 26:] == BLUE).all()


def test_bodies_stand_at_one_height_under_headings_of_any_length() -> None:
    headings = [paragraph(text, STYLE, 100) for text in ("a", "a b c d e f g h i j k l m n o p", "")]
    pixels = drawn(under_headings(headings, [filled(100, 30, color) for color in (RED, BLUE, RED)], 2))
    reds, blues = ((pixels == color).all(axis=2) for color in (RED, BLUE))
    tops = [np.flatnonzero(found.any(axis=1))[0] for found in (reds[:, :100], blues)]
    assert tops[0] == tops[1]
    assert reds.sum() == 2 * 3000 and blues.sum() == 3000 and not reds[:, 100:].any()


def test_what_is_narrower_than_its_place_is_centred_on_a_matte() -> None:
    pixels = drawn(on_matte(filled(40, 10, RED), 101))
    assert pixels.shape == (10, 101, 3)
    assert (pixels[:, 30:70] == RED).all() and (pixels[:, :30] == PALE).all() and (pixels[:, 70:] == PALE).all()
    assert (drawn(on_matte(filled(40, 10, RED), 40)) == RED).all()


def test_a_heading_has_the_chip_of_its_item() -> None:
    pixels = drawn(titled("cat", RED, STYLE, 200))
    reds = (pixels == RED).all(axis=2)
    assert reds.sum() > 0.7 * 16**2 and not reds[:, 17:].any()
    assert inked_columns(drawn(titled("cat", None, STYLE, 200))).min() < 6


@pytest.mark.parametrize("scores", [[0.0, 2.0], [-2.0, 1.0]])
@pytest.mark.parametrize("look", [Look(), Look(alpha=1.0), Look("viridis", 0.9)])
def test_a_scale_shows_both_end_colors(scores: list[float], look: Look) -> None:
    shades = shades_of(np.array(scores), look=look)
    bar = drawn(scale_bar(Scale("relevance", shades), Style(18), 700))
    for end, side in ((shades.colors.low, slice(0, 350)), (1.0, slice(0, 700))):
        expected = shades.colors.over(np.full(3, 127.5), np.array(end))
        assert np.abs(bar[:, side] - expected).max(axis=2).min() <= 12  # between two of few rows


def test_a_scale_tells_its_ends() -> None:
    def told(scale: Scale, width: int = 700) -> list[str]:
        return [one.get_text() for one in scale_bar(scale, Style(18), width).get_children() if isinstance(one, Text)]

    assert told(Scale("relevance", shades_of(np.array([0.0, 0.04149])))) == ["relevance", "0", "0.041"]
    assert told(Scale("relevance", shades_of(np.array([-2.0, 1.0])))) == ["relevance", "\u22122", "2"]
    assert told(Scale("relevance", shades_of(np.array([-2.0, 1.0]))), 200) == ["relevance: \u22122 to 2"]
    assert told(Scale("words", shades_of(np.zeros(3)))) == ["words: all zero"]
    assert told(Scale("words", shades_of(np.zeros(0)))) == ["words: none"]
    assert told(Scale("words", shades_of(np.array([1e-37]), "float32"))) == [
        "words: all but zero: none is over 1e\u221237, which is rounding noise"]


@pytest.mark.parametrize("shades", [
    shades_of(np.zeros(3)), shades_of(np.zeros(0)), shades_of(np.full(3, 1e-37), "float32")])
def test_a_scale_of_nothing_is_a_sentence(shades: Shades) -> None:
    bar = drawn(scale_bar(Scale("relevance", shades), Style(18), 700))
    assert bar.min() < 60
    assert np.ptp(bar, axis=2).max() <= 22
