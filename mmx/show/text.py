"""What a text is before it is drawn: one clean line, and the direction in which it reads."""

import unicodedata
from functools import lru_cache

_NO_BREAK_SPACES = "\u00a0\u202f"
_NON_JOINER = "\u200c"


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """One line of visible text: control characters and runs of white space become single spaces."""
    visible = "".join(_visible(char) for char in text)
    return " ".join(word for word in visible.split(" ") if word)


def without_space(text: str) -> str:
    """What can be seen of it."""
    return "".join(clean(text).split(" "))


def is_right_to_left(text: str) -> bool | None:
    """Direction of the first letter that has one; None if there is none."""
    strong = (unicodedata.bidirectional(char) for char in text)
    return next((kind in ("R", "AL") for kind in strong if kind in ("L", "R", "AL")), None)


def has_digits(text: str) -> bool:
    """Whether it holds digits as European languages write them."""
    return any(unicodedata.bidirectional(char) == "EN" for char in text)


def clusters(text: str) -> list[str]:
    """Its letters, each with the marks that are written on it."""
    found: list[str] = []
    for char in text:
        if found and unicodedata.category(char)[0] == "M":
            found[-1] += char
        else:
            found.append(char)
    return found


def _visible(char: str) -> str:
    if char in _NO_BREAK_SPACES or char == _NON_JOINER:
        return char
    kind = unicodedata.category(char)
    if kind == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    if kind == "Cs":  # half of a pair, which no file can hold
        return "\ufffd"
    return " " if char.isspace() or kind == "Cc" else char
