import numpy as np
import pytest
from PIL import Image

from mmx.show import typefaces, typeset
from mmx.show.canvas import blank
from mmx.show.flow import Word, broken_into_lines, paragraph, placed_line, words_in
from mmx.show.typeset import Style, clean, draw_text, text_width

STYLE = Style(20)
TEXTS = {
    "plain": "What colour is the ball on the left of the very large green star?",
    "one long word": "x" * 300,
    "mixed": "short " + "Donaudampfschifffahrtsgesellschaft" * 4 + " end?",
    "very long": "why " * 500,
    "cjk": "这张图片里有几只猫" * 12,
    "emoji": "👩\u200d🚀 🐈\u200d⬛ 😀 ❤️ " * 9,
    "arabic": "ما لون الكرة الكبيرة على يسار المربع الأزرق؟ " * 3,
    "hebrew": "מה צבע הכדור? " * 9,
    "wide marks": "W" * 50 + "!" * 80,
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


def test_paragraph_grows_with_its_text() -> None:
    short, long = paragraph("why", STYLE, 300), paragraph("why " * 200, STYLE, 300)
    assert short.size == (300, STYLE.line_height)
    assert long.width == 300
    assert long.height > 20 * short.height


def test_right_to_left_lines_start_at_the_right() -> None:
    pixels = np.asarray(paragraph("מה צבע", STYLE, 400).convert("L"))
    columns = np.flatnonzero((pixels < 128).any(axis=0))
    assert columns.min() > 200
    words = [Word("מה"), Word("red"), Word("ball"), Word("צבע"), Word("?", spaced=False)]
    seen = [placed.word.text for placed in placed_line(words, STYLE, 400, 0, True)]
    assert seen == ["?", "צבע", "red", "ball", "מה"]


def test_numbers_go_on_with_left_to_right_words() -> None:
    words = words_in("מה: similarity 0.27, softmax 83\u00a0%")
    placed = placed_line(words, STYLE, 600, 0, True)
    assert [one.word.text for one in placed] == ["similarity", "0.27,", "softmax", "83\u00a0%", "מה:"]


def test_control_characters_cannot_break_the_layout() -> None:
    assert clean("a\nb\t\x00c\u2028d\u202ee  f\r\n") == "a b c de f"
    assert clean("") == clean("\n\t") == ""


def ink(text: str) -> np.ndarray:
    canvas = blank(max(1, text_width(text, STYLE)), STYLE.line_height)
    draw_text(canvas, 0, STYLE.ascent, text, STYLE)
    return np.asarray(canvas.convert("L"))


@pytest.mark.parametrize("char", ["猫", "🐈", "\ud83d", "\ue000", "ก", "\u093f"])
def test_missing_characters_show_their_code_point(char: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typefaces, "_system_font_paths", lambda: ())
    typefaces.font_with.cache_clear()
    drawn, tofu = ink(char), ink("\U0010ffff")
    typefaces.font_with.cache_clear()
    label = typeset._code_point_style(STYLE)
    assert typeset._code_point(char) == f"U+{ord(char):04X}"
    assert drawn.shape[1] >= text_width(f"U+{ord(char):04X}", label)
    assert drawn.min() < 100
    assert drawn.shape != tofu.shape or (drawn != tofu).any()


def test_system_font_is_used_where_the_bundled_one_lacks_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def has(path: str, char: str) -> bool:
        asked.append(path)
        return path == other

    other = str(typefaces.FONTS / "DejaVuSans-Bold.ttf")
    monkeypatch.setattr(typefaces, "_system_font_paths", lambda: (other,))
    monkeypatch.setattr(typefaces, "has_character", has)
    typefaces.font_with.cache_clear()
    font = typefaces.font_with("猫", 20, False)
    typefaces.font_with.cache_clear()
    assert font is not None
    assert font.path == other
    assert asked[-1] == other


def test_combining_marks_stay_on_their_letter() -> None:
    assert text_width("e\u0301", STYLE) <= text_width("e", STYLE) + 1
    assert (ink("e\u0301") < 128).sum() > (ink("e") < 128).sum()


def test_a_mark_is_drawn_with_its_letters_font(monkeypatch: pytest.MonkeyPatch) -> None:
    letters, marks = (typefaces.font_with("e", 20, bold) for bold in (True, False))
    monkeypatch.setattr(typeset, "font_with", lambda char, *_: marks if char == "\u0301" else letters)
    assert typeset._runs("ae\u0301o", STYLE) == [(letters, "ae\u0301o")]


def test_fonts_come_with_their_licence() -> None:
    assert "Bitstream" in (typefaces.FONTS / "LICENSE_DEJAVU").read_text(encoding="utf-8")
    assert isinstance(paragraph("bold", Style(20, bold=True), 100), Image.Image)
