"""What a text is before it is drawn: one clean line, with a direction."""

import pytest

from mmx.show.text import clean, has_digits, is_right_to_left


@pytest.mark.parametrize(("text", "line"), [
    ("a\nb\t\x00c\u2028d\u202ee  f\r\n", "a b c de f"), ("", ""), ("\n\t", ""), (" a  b ", "a b"),
    ("83\u00a0%", "83\u00a0%"), ("1\u202f000", "1\u202f000"), ("می\u200cخواهم", "می\u200cخواهم"),
    ("👩\u200d🚀 ❤\ufe0f", "👩🚀 ❤"), ("\u200fa\u200e", "a"), ("\ud83d?", "\ufffd?"), ("a\x7fb\x85c", "a b c")])
def test_control_characters_cannot_break_the_layout(text: str, line: str) -> None:
    assert clean(text) == line == clean(line)


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7f, 0xa0), *range(0x2028, 0x202f), 0xfeff, 0xd800, 0xdfff])
def test_no_line_holds_what_is_not_visible(code: int) -> None:
    assert clean(f"a{chr(code)}b") in ("ab", "a b", "a\ufffdb")
    clean(chr(code)).encode()


@pytest.mark.parametrize(("text", "from_right"), [
    ("", None), ("12 %?", None), ("red", False), ("12 red", False), ("מה", True), ("ما", True), ("? מה red", True),
    ("red מה", False), ("猫", False)])
def test_the_first_letter_gives_the_direction(text: str, from_right: bool | None) -> None:
    assert is_right_to_left(text) is from_right


def test_digits_are_those_of_european_languages() -> None:
    assert has_digits("a 1") and not has_digits("a") and not has_digits("٣")
