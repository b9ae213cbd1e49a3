"""Letters: a font for every script that this machine has, and a word where it has none."""

import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from by_hand import drawn
from matplotlib.font_manager import FontProperties

from mmx.show import lettering
from mmx.show.blocks import paragraph
from mmx.show.lettering import Style, text_width, without_a_font, written

STYLE = Style(20)
OWN_FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")


def ink(text: str, style: Style = STYLE) -> np.ndarray:
    return drawn(paragraph(text, style, text_width(text, style) + 4)).min(axis=2)


@pytest.mark.parametrize(("text", "script", "package"), [
    ("猫", "Chinese, Japanese or Korean", "fonts-noto-cjk"), ("猫はどこですか、カフェ", "Chinese", "fonts-noto-cjk"),
    ("고양이", "Chinese, Japanese or Korean", "fonts-noto-cjk"), ("这是什么？", "Chinese", "fonts-noto-cjk"),
    ("ｶﾌｪ", "Chinese, Japanese or Korean", "fonts-noto-cjk"), ("「ＡＢＣ！」", "Chinese", "fonts-noto-cjk"),
    ("แมวอยู่ที่ไหน", "Thai", "fonts-noto-core"), ("बिल्ली कहाँ है", "Devanagari", "fonts-noto-core"),
    ("🐈🐕🚀 🐈🦄", "symbols", "fonts-symbola")])
def test_a_script_without_a_font_is_told_once(installed, text: str, script: str, package: str) -> None:
    [line] = without_a_font([text, f"{text} {text * 20}", "plain"])
    assert line.startswith(f"No font on this machine has {script}")
    assert line.endswith(f"(Debian and Ubuntu: apt install {package}).")


def test_each_script_has_a_line(installed) -> None:
    lines = without_a_font(["猫 แมว", "बिल्ली 🐈 แมว", "고양이"])
    assert len(lines) == len(set(lines)) == 4


@pytest.mark.parametrize("text", [
    "What is it? 83\u00a0% \u2212 “…”", "Größe œuvre ångström e\u0301", "ما لون الكرة؟", "מה צבע הכדור?", "Τι χρώμα;",
    "Какого цвета?", "a\nb\x00c", "\ud83d", "", "→ ✓ ★ ∑ ½"])
def test_what_matplotlib_brings_needs_no_other_font(installed, text: str) -> None:
    assert without_a_font([text]) == []


@pytest.mark.parametrize("char", ["猫", "🐈", "\ue000", "ก", "\u093f", "\U0003fffd"])
@pytest.mark.parametrize("bold", [False, True])
def test_boxes_stand_for_missing_characters(installed, char: str, bold: bool) -> None:
    style = Style(20, bold)
    assert text_width(char, style) > 0
    assert (ink(f"a{char}", style) < 128).sum() > (ink("a", style) < 128).sum() + 20


def test_boxes_differ_by_script(installed) -> None:
    cat, thai = ink("猫"), ink("ก")
    assert cat.shape != thai.shape or (cat != thai).any()


def test_a_font_that_is_installed_is_used(installed, tmp_path: Path) -> None:
    char = "\U0001d400"  # a bold A of mathematics, which DejaVu Sans lacks
    [said] = without_a_font([char])
    assert "No font" in said
    missing = ink(char)
    font = Path(shutil.copy(OWN_FONTS / "STIXGeneral.ttf", tmp_path / "mine.ttf"))
    installed(font)
    assert without_a_font([char]) == []
    found = ink(char)
    assert found.shape != missing.shape or (found != missing).any()
    properties = written(0, 0, f"a{char}", STYLE).get_fontproperties()
    assert properties.get_family() == ["DejaVu Sans", "STIXGeneral"]
    alone = matplotlib.text.Text(0, 0, char, fontproperties=FontProperties(family="STIXGeneral", size=20))
    width = lettering._renderer().get_text_width_height_descent(char, alone.get_fontproperties(), False)[0]
    assert text_width(char, STYLE) == int(np.ceil(width))


def test_a_damaged_font_is_passed_over(installed, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    installed(broken, tmp_path / "gone.ttf", Path(shutil.copy(OWN_FONTS / "STIXGeneral.ttf", tmp_path / "mine.ttf")))
    assert without_a_font(["\U0001d400"]) == [] and without_a_font(["猫"])


def test_letters_of_matplotlibs_own_font_stay_in_it(installed, tmp_path: Path) -> None:
    before = ink("What? ما")
    installed(Path(shutil.copy(OWN_FONTS / "STIXGeneral.ttf", tmp_path / "mine.ttf")))
    assert (ink("What? ما") == before).all()


def test_combining_marks_stay_on_their_letter() -> None:
    assert text_width("e\u0301", STYLE) <= text_width("e", STYLE) + 1
    assert (ink("e\u0301") < 128).sum() > (ink("e") < 128).sum()


def test_letters_that_join_are_narrower_together() -> None:
    apart = sum(text_width(char, STYLE) for char in "ببب")
    assert text_width("ببب", STYLE) < apart


@pytest.mark.parametrize("text", ["W" * 40, "i" * 40, "a b c", "ما لون الكرة", "fi AV To", "\u2212 1.5"])
@pytest.mark.parametrize("style", [Style(16), Style(34), Style(26, bold=True)])
def test_ink_is_as_wide_as_is_told(text: str, style: Style) -> None:
    pixels = drawn(paragraph(text, style, 4000)).min(axis=2)
    inked = np.flatnonzero((pixels < 200).any(axis=0))
    assert inked[-1] - inked[0] + 1 <= text_width(text, style) + 2
    assert inked[-1] - inked[0] + 1 >= text_width(text, style) - style.size / 2


def test_letters_have_their_look() -> None:
    thin, bold = (ink("Hello", Style(20, bold)) for bold in (False, True))
    assert bold.shape[1] > thin.shape[1] and (bold < 128).sum() > 1.2 * (thin < 128).sum()
    red = drawn(paragraph("HHH", Style(40, color=(200, 0, 0)), 200))
    assert (red == (200, 0, 0)).all(axis=2).sum() > 100
    assert (Style(20).line_height, Style(20).ascent) == (28, 21)


def test_dollars_are_no_formulas() -> None:
    assert not written(0, 0, "$x$", STYLE).get_parse_math()
    assert text_width("$x$", STYLE) > text_width("x", STYLE) + 2 * text_width("$", STYLE) - 3
