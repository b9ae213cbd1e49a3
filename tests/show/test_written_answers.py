"""An answer that a model wrote, word by word: what is told of each word, and how many of them look."""

from dataclasses import replace

import numpy as np
import pytest
from by_hand import by
from matplotlib.text import Text

from mmx.results import Explanation
from mmx.show import wording
from mmx.show.colors import INK
from mmx.show.figure import MOST_ROWS, MOST_WORDS_OF_METHODS, figure_of
from mmx.show.flow import Word
from mmx.show.panels import strongest_words
from mmx.show.saving import to_image, to_plot
from mmx.show.tokens import covered

ANSWER = "a red cat, asleep"
LONG = "there is a cat " * 8


def said(text: object) -> str:
    return " ".join(word.text for word in text.words)  # type: ignore[attr-defined]


@pytest.mark.parametrize("together", [False, True])
def test_each_word_shows_what_was_written_before_it(written, together: bool) -> None:
    """Whether question and answer are streams of their own or not."""
    figure = figure_of([written(together=together)])
    assert [row.heading.replace("\u00a0", " ") for row in figure.rows] == [
        "a 25 %", "red 25 %", "cat 25 %", ", 25 %", "asleep 25 %"]
    for number, row in enumerate(figure.rows):
        question, answer = row.panels[0].texts
        assert said(question) == "What is it ?" and question.explained == range(0)
        assert said(answer) == " ".join(["a", "red", "cat", ",", "asleep"][:number + 1])
        assert answer.explained == range(number, number + 1) and len(answer.shades.strengths) == number + 1
    assert figure.written is not None
    assert said(figure.written) == "a red cat , asleep"
    assert figure.written.places == tuple(range(place, place + 1) for place in range(5))


def test_a_question_that_is_the_answer_is_left_whole(written) -> None:
    question, answer = figure_of([written("why cat", "why cat")]).rows[0].panels[0].texts
    assert (said(question), said(answer)) == ("why cat", "why")


def test_the_whole_answer_is_called_so(written) -> None:
    one = written(whole=True)
    figure = figure_of([one])
    assert figure.rows[-1].heading.startswith("whole answer 25")
    assert figure.written is not None and figure.written.places[-1] == range(5)
    assert figure.rows[-1].panels[0].texts[1].explained == range(5)
    assert wording.counted(one) == "5 words and the whole answer"
    assert figure_of(by(one, "a", "b")).rows[-1].heading.startswith("whole answer 25")
    alone = figure_of([one.only(len(one) - 1)])
    assert alone.written is None and wording.counted(one.only(len(one) - 1)) == "the whole answer"


def test_an_answer_of_one_word_is_shown_as_before(written) -> None:
    figure = figure_of([written("cat")])
    assert figure.written is None and figure.rows[0].panels[0].scales
    assert figure.rows[0].panels[0].heading.startswith("cat 25")


def test_words_share_one_scale(written, classes) -> None:
    figure = figure_of([written()])
    assert [scale.label for scale in figure.scales] == ["share of the largest score"]
    assert all(not row.panels[0].scales and row.panels[0].caption == "largest 1" for row in figure.rows)
    assert figure_of([classes(3)]).written is None


def test_words_without_a_map_are_words_all_the_same(written) -> None:
    figure = figure_of([written(map_stream="")])
    assert figure.written is not None and len(figure.rows) == 5 and not figure.scales


def test_words_are_not_the_same_for_all(written) -> None:
    """Each stands at another place, though their scores be alike."""
    one = written()
    alike = replace(one, items=tuple(replace(item, scores=one[0].scores) for item in one))
    assert len(figure_of([alike]).rows) == len(figure_of(by(alike, "a", "b")).rows) == 5


@pytest.mark.parametrize("methods", [1, 2])
def test_a_reader_of_words_gets_every_one(written, methods: int) -> None:
    several = by(written(LONG), *map(str, range(methods)))
    assert len(figure_of(several).rows) == (MOST_ROWS if methods == 1 else MOST_WORDS_OF_METHODS)
    assert len(figure_of(several, every_word=True).rows) == len(several[0]) == 32
    assert "and 8 more" in figure_of(several[:1]).remarks[0]


@pytest.mark.parametrize(("span", "places"), [
    ((0, 1), [0]), ((2, 5), [1]), ((2, 9), [1, 2]), ((6, 10), [2, 3]), ((9, 10), [3]), ((0, 17), [0, 1, 2, 3, 4]),
    ((11, 17), [4])])
def test_a_span_covers_words(span: tuple[int, int], places: list[int]) -> None:
    words = [Word("a"), Word("red"), Word("cat"), Word(",", spaced=False), Word("asleep")]
    assert list(covered(words, ANSWER, span)) == places
    assert list(covered(words, f" \u200b{ANSWER}", (span[0] + 2, span[1] + 2))) == places


def test_strongest_words_are_told_without_marks(written) -> None:
    texts = figure_of([written()]).rows[-1].panels[0].texts
    assert strongest_words(texts) == "strongest words: it, cat, is"
    assert strongest_words(texts[:1], with_scores=True) == "strongest words: it 0.6, is 0.4, What 0.2"
    assert strongest_words(()) == ""


def drawn_texts(*several: Explanation) -> list[str]:
    return [text.get_text() for text in to_plot(several).findobj(Text) if isinstance(text, Text)]


def test_many_words_are_small_pictures_with_few_words(written) -> None:
    """Up to two dozen stay on a sheet that can be read: no texts are repeated there."""
    few, many = drawn_texts(written()), drawn_texts(written(LONG))
    assert few.count("What") == 5
    assert many.count("What") == 0 and sum(text.startswith("strongest words:") for text in many) == MOST_ROWS
    sheet = to_image([written(LONG, size=(640, 480))])
    assert sheet.width <= 1536 and sheet.height < 2400


def test_the_explained_word_is_framed(written) -> None:
    from by_hand import drawn

    from mmx.show.blocks import shaded_words
    from mmx.show.lettering import Style

    text = figure_of([written()]).rows[0].panels[0].texts[1]
    framed, plain = (drawn(shaded_words(one, Style(20), 200)) for one in (text, replace(text, explained=range(0))))
    assert (framed == INK).all(axis=2).sum() > (plain == INK).all(axis=2).sum() + 40
    assert np.abs(framed - plain).sum() > 0


def test_each_method_has_a_strip_of_the_words(written) -> None:
    one = written(LONG, size=(640, 480))
    told = drawn_texts(*by(one, "first", "second"))
    assert told.count("picture") == 2
    assert [place for place in told if place in ("first", "second")] == ["first", "second"]
    assert sum(text.startswith("there 25") for text in told[:told.index("second")]) == 3
    assert to_image(by(one, "first", "second")).height < 1700
