"""What is asked by name: which class or text is meant, and that it is not compared with itself."""

from collections.abc import Sequence
from dataclasses import replace

from mmx.errors import UsageError, unknown_choice
from mmx.results import Asked


def check_rival(asked: Asked, name: str) -> Asked:
    """Raises UsageError where what is explained is compared with itself."""
    if asked.against is not None and asked.against in asked.targets:
        raise UsageError(f"'{name}' would be compared with itself.",
                         "Name another `target=`, or another `against=`.")
    return asked


def index_of(text: str | int, names: Sequence[str]) -> int | None:
    """One of the names, in any case, else a number below their count; None if it is neither."""
    given = str(text).strip()
    lowered = [name.lower() for name in names]
    if not isinstance(text, int) and given.lower() in lowered:
        return lowered.index(given.lower())
    return int(given) if given.isdecimal() and int(given) < len(names) else None


def chosen_texts(asked: Asked) -> Asked:
    """`asked` with places of texts: of those that are explained, of all where none is named; and of their rival."""
    found = tuple(dict.fromkeys(_text_index(target, asked.texts) for target in asked.targets))
    rival = None if asked.against is None else _text_index(asked.against, asked.texts)
    asked = replace(asked, targets=found, against=rival)
    if rival is None:
        return asked
    return check_rival(asked if explained_texts(asked) else replace(asked, targets=(rival,)), asked.texts[rival])


def _text_index(text: str | int, texts: Sequence[str]) -> int:
    index = index_of(text, texts)
    if index is None:
        raise unknown_choice(f"'{text}' is none of the texts.", str(text), "texts", texts, 10)
    return index


def explained_texts(asked: Asked) -> tuple[int, ...]:
    """Places of the texts that are explained: those that are named, or all but what they are compared with."""
    return tuple(int(one) for one in asked.targets) or tuple(
        one for one in range(len(asked.texts)) if one != asked.against)
