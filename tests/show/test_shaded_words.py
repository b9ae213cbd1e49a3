"""Words with the relevance of their tokens, on their colours."""

import numpy as np
import pytest
from by_hand import drawn

from mmx.results import Token
from mmx.show.blocks import shaded_words
from mmx.show.colors import Look, shades_of
from mmx.show.flow import Word
from mmx.show.lettering import Style, text_width
from mmx.show.panels import Text
from mmx.show.tokens import scored_words


def token(start: int, stop: int, question: str) -> Token:
    return Token(question[start:stop], question[start:stop], False, (start, stop))


def shades(words: list[Word], look: Look | None = None):
    return shades_of(np.array([word.score for word in words]), look=look)


def drawn_words(words: list[Word], width: int = 400, look: Look | None = None) -> np.ndarray:
    return drawn(shaded_words(Text(tuple(words), shades(words, look)), Style(30), width))


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


@pytest.mark.parametrize("look", [None, Look(alpha=1), Look("viridis", 0.4)])
def test_words_are_drawn_on_their_own_color(look: Look | None) -> None:
    words = scored_words("aa bb cc", [token(s, s + 2, "aa bb cc") for s in (0, 3, 6)], np.array([0.0, 1.0, 4.0]))
    pixels, on_white = drawn_words(words, look=look), shades(words, look).colors.on_white
    places = [np.flatnonzero((pixels == on_white(strength)).all(axis=2).any(axis=0)) for strength in (0.25, 1.0)]
    assert all(len(columns) > 20 for columns in places)
    assert places[0].max() < places[1].min() and places[0].min() > text_width("aa", Style(30))


def test_letters_stand_out_from_their_chip() -> None:
    words = [Word("aa", score=1.0), Word("bb", score=0.01)]
    pixels = drawn_words(words, look=Look(alpha=1))
    chip = (pixels == (182, 10, 30)).all(axis=2).any(axis=0)
    on_chip, beside = pixels[:, :np.flatnonzero(chip)[-1]], pixels[:, np.flatnonzero(chip)[-1] + 4:]
    assert (on_chip.min(axis=2) > 240).sum() > 100  # white letters
    assert (beside.max(axis=2) < 60).sum() > 50  # ink


def test_chips_do_not_touch() -> None:
    pixels = drawn_words([Word("aa", score=1.0), Word("?", spaced=False, score=1.0), Word("bb", score=1.0)])
    columns = (pixels != 255).any(axis=(0, 2))
    assert len(np.flatnonzero(np.diff(columns.astype(int)) == 1)) + int(columns[0]) == 3


def test_words_without_relevance_are_uncoloured() -> None:
    words = scored_words("aa bb", [token(0, 2, "aa bb"), token(3, 5, "aa bb")], np.zeros(2))
    pixels = drawn_words(words)
    assert pixels.min() < 60
    assert np.ptp(pixels, axis=2).max() <= 22  # ink on white: nothing more colourful than the ink itself


def test_shaded_words_grow_with_their_text_and_start_where_they_are_read() -> None:
    words = [Word("aa", score=1.0)] * 40
    assert drawn_words(words).shape[0] > 4 * drawn_words(words[:1]).shape[0]
    assert drawn_words([], 400).shape[0] <= 2
    left, right = (np.flatnonzero((drawn_words([Word(text, score=1.0)]) != 255).any(axis=(0, 2)))
                   for text in ("aa", "מה"))
    assert left[0] == 0 and right[-1] >= 397 and right[0] > 300
