"""Words in lines: nothing is lost, nothing is too wide, and every script has its order."""

import pytest

from mmx.show.flow import Word, broken_into_lines, placed_line, reads_from_the_right, words_in
from mmx.show.lettering import Style, text_width
from mmx.show.text import clean

STYLE = Style(20)
TEXTS = {
    "plain": "What colour is the ball on the left of the very large green star?",
    "one long word": "x" * 300,
    "mixed": "short " + "Donaudampfschifffahrtsgesellschaft" * 4 + " end?",
    "long": "why " * 90,
    "cjk": "这张图片里有几只猫" * 12,
    "emoji": "👩\u200d🚀 🐈\u200d⬛ 😀 ❤️ " * 9,
    "arabic": "ما لون الكرة الكبيرة على يسار المربع الأزرق؟ " * 3,
    "arabic without a space": "مالونالكرةالكبيرةعلىيسارالمربعالأزرق" * 3,
    "hebrew": "מה צבע הכדור? " * 9,
    "wide marks": "W" * 50 + "!" * 80,
    "decomposed": "e\u0301o\u0302\u0323" * 40,
}


def inked(text: str) -> str:
    return "".join(clean(text).split())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("width", [60, 300, 1000])
@pytest.mark.parametrize("padding", [0, 4])
def test_wrapping_loses_no_character_and_no_line_is_too_wide(text: str, width: int, padding: int) -> None:
    lines = broken_into_lines(words_in(text), STYLE, width, padding)
    assert "".join(word.text for line in lines for word in line) == inked(text)
    for line in lines:
        placed = placed_line(line, STYLE, width, padding, False)
        assert placed[0].x >= 0
        assert placed[-1].x + placed[-1].width <= width or len(line) == len(line[0].text) == 1


def test_wrapping_never_separates_a_mark_from_its_word() -> None:
    words = [Word("aaaa"), Word("bbbb"), Word("?", spaced=False)]
    width = text_width("aaaa bbbb", STYLE)
    assert [[w.text for w in line] for line in broken_into_lines(words, STYLE, width)] == [["aaaa"], ["bbbb", "?"]]


@pytest.mark.parametrize("width", range(60, 100, 7))
def test_no_line_begins_with_a_combining_mark(width: int) -> None:
    lines = broken_into_lines(words_in("e\u0301o\u0302\u0323" * 40), STYLE, width)
    assert not [line for line in lines if line[0].text[0] in "\u0301\u0302\u0323"]


@pytest.mark.parametrize("text", ["x" * 100_000, "猫" * 100_000, "why " * 25_000, "a-" * 50_000, "e" + "\u0301" * 5000])
def test_what_would_fill_pages_goes_on(text: str) -> None:
    lines = broken_into_lines(words_in(text), STYLE, 300)
    told = ["".join(word.text for word in line) for line in lines]
    if told[-1] == "\u2026":
        assert len(told) == 101 and inked(text).startswith("".join(told[:-1]))
    else:
        assert len(told) <= 100 and "".join(told) == inked(text)


def test_a_long_word_fills_its_lines() -> None:
    lines = broken_into_lines(words_in("x" * 2000), STYLE, 300)
    assert all(280 < text_width(line[0].text, STYLE) <= 300 for line in lines[:-1])


def test_a_hundred_lines_are_shown_to_their_end() -> None:
    words = words_in("wwwwwwww " * 100)
    lines = broken_into_lines(words, STYLE, text_width("wwwwwwww", STYLE))
    assert [line[0].text for line in lines] == ["wwwwwwww"] * 100


def test_words_of_both_directions_are_placed_as_they_are_seen() -> None:
    words = [Word("מה"), Word("red"), Word("ball"), Word("צבע"), Word("?", spaced=False)]
    placed = placed_line(words, STYLE, 400, 0, True)
    assert [one.word.text for one in placed] == ["?", "צבע", "red", "ball", "מה"]
    assert placed[-1].x + placed[-1].width == 400
    placed = placed_line([Word("red"), Word("מה"), Word("צבע"), Word("ball")], STYLE, 400, 0, False)
    assert [one.word.text for one in placed] == ["red", "צבע", "מה", "ball"]
    assert placed[0].x == 0


def test_numbers_go_on_with_left_to_right_words() -> None:
    words = words_in("מה: similarity 0.27, softmax 83\u00a0%")
    placed = placed_line(words, STYLE, 600, 0, True)
    assert [one.word.text for one in placed] == ["similarity", "0.27,", "softmax", "83\u00a0%", "מה:"]


def test_padding_and_spaces_are_kept_free() -> None:
    words = [Word("aa"), Word("?", spaced=False), Word("bb")]
    placed, space = placed_line(words, STYLE, 400, 3, False), text_width(" ", STYLE)
    ends = [one.x + one.width for one in placed]
    assert placed[0].width == text_width("aa", STYLE) + 6
    assert [placed[1].x - ends[0], placed[2].x - ends[1]] == [0, space]


@pytest.mark.parametrize(("text", "from_right"), [("", False), ("12 ?", False), ("12 מה red", True), ("red מה", False)])
def test_a_text_reads_as_its_first_letter_does(text: str, from_right: bool) -> None:
    assert reads_from_the_right(words_in(text)) is from_right
