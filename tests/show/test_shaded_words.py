import numpy as np
import pytest

from mmx.results import Token
from mmx.show.colors import rgb, shades_of
from mmx.show.flow import Word
from mmx.show.tokens import scored_words, shaded_words
from mmx.show.typeset import Style


def token(start: int, stop: int, question: str) -> Token:
    return Token(question[start:stop], question[start:stop], False, (start, stop))


def shades(words: list[Word]):
    return shades_of(np.array([word.score for word in words]))


def scored(question: str, spans: list[tuple[int, int]], scores: list[float]) -> list[tuple[str, float]]:
    words = scored_words(question, [token(*span, question) for span in spans], np.array(scores))
    return [(word.text, word.score) for word in words]


def test_pieces_of_a_word_are_summed_and_punctuation_stands_alone() -> None:
    spans = [(0, 2), (2, 9), (9, 12), (12, 13), (14, 17), (17, 18), (18, 19), (20, 22), (22, 23)]
    words = scored("unbelievable, isn't it?", spans, [1, 2, 4, 8, 16, 32, 64, 128, 256])
    assert words == [("unbelievable", 7), (",", 8), ("isn't", 112), ("it", 128), ("?", 256)]


def test_special_tokens_are_left_out_of_picture_and_scale() -> None:
    special = Token("[CLS]", "[CLS]", True, None)
    words = scored_words("is it", [special, token(0, 2, "is it"), token(3, 5, "is it"), special],
                         np.array([900.0, 1.0, 2.0, -900.0]))  # fmt: skip
    assert [(word.text, word.score) for word in words] == [("is", 1.0), ("it", 2.0)]
    assert shades(words).strengths.tolist() == [0.5, 1.0]


def test_what_no_token_covers_is_still_drawn() -> None:
    assert scored("one two three four", [(4, 7)], [3]) == [("one", 0), ("two", 3), ("three", 0), ("four", 0)]


def test_ideographs_are_words_of_their_own() -> None:
    assert scored("猫は何", [(0, 1), (1, 2), (2, 3)], [1, 2, 3]) == [("猫", 1), ("は", 2), ("何", 3)]


def test_several_tokens_of_one_character_are_one_word() -> None:
    assert scored("a 🐈", [(0, 1), (2, 3), (2, 3), (2, 3)], [1, 2, 3, 4]) == [("a", 1), ("🐈", 9)]


def test_spans_that_include_white_space_do_not_join_words() -> None:
    assert scored("red cat", [(0, 3), (3, 7)], [1, 2]) == [("red", 1), ("cat", 2)]


def test_space_is_kept_only_where_the_question_has_it() -> None:
    words = scored_words("is it?", [token(*span, "is it?") for span in [(0, 2), (3, 5), (5, 6)]], np.ones(3))
    assert [word.spaced for word in words] == [True, True, False]


def test_every_token_needs_a_score() -> None:
    with pytest.raises(ValueError, match="zip"):
        scored("is it", [(0, 2), (3, 5)], [1])


def test_words_are_drawn_on_their_own_color() -> None:
    words = scored_words("aa bb cc", [token(s, s + 2, "aa bb cc") for s in (0, 3, 6)], np.array([0.0, 1.0, 4.0]))
    colors = {tuple(color) for _, color in shaded_words(words, shades(words), Style(30), 400).getcolors(100000)}
    assert {rgb(shades(words).colormap, strength) for strength in (0.25, 1.0)} <= colors


def test_words_without_relevance_are_uncoloured() -> None:
    words = scored_words("aa bb", [token(0, 2, "aa bb"), token(3, 5, "aa bb")], np.zeros(2))
    pixels = np.asarray(shaded_words(words, shades(words), Style(30), 400)).astype(int)
    assert pixels.min() < 60
    assert np.ptp(pixels, axis=2).max() <= 22  # ink on white: nothing more colourful than the ink itself
