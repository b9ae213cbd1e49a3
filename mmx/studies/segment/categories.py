"""Which category of an annotation file each class of a detector stands for."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mmx.errors import UsageError

_NAMELESS = re.compile(r"(LABEL_|class )\d+")


@dataclass(frozen=True)
class CategoryMap:
    """`ids` has the category of each class, None for a class that the file does not know; `how` says why."""

    ids: tuple[int | None, ...]
    how: str


def match_categories(labels: Mapping[int, str], categories: Mapping[int, str], used: Collection[int],
                     model: str) -> CategoryMap:
    """By number where a checkpoint's classes are numbered as the file's categories, else by name.

    Only categories in `used`, those that objects are of, must match: tools add groups and backgrounds without any.

    Raises:
        UsageError: neither fits.
    """
    count = max(labels) + 1
    needed = {number: name for number, name in categories.items() if number in used} or categories
    if all(_NAMELESS.fullmatch(name) for name in labels.values()) and max(needed) < count:
        return CategoryMap(tuple(range(count)), "number (its classes have no names)")
    same = {number for number, name in categories.items() if _plain(labels.get(number, "")) == _plain(name)}
    if same.issuperset(needed):
        return CategoryMap(tuple(None if number in categories and number not in same else number
                                 for number in range(count)), "number")
    by_name = {_plain(name): number for number, name in (*categories.items(), *needed.items())}
    ids = tuple(by_name.get(_plain(labels.get(index, ""))) for index in range(count))
    if sorted(number for number in ids if number is not None and number in needed) == sorted(needed):
        return CategoryMap(ids, "name")
    lacking = [name for number, name in needed.items() if number not in ids and by_name[_plain(name)] == number]
    raise UsageError(f"The classes of {model} are not the categories of the annotation file, neither by number nor by "
                     f"name: {_named(lacking) or 'some name stands for several'}.",
                     "Give a detector that was trained on these categories.")


def _plain(name: str) -> str:
    return name.strip().lower()


def _named(lacking: list[str]) -> str:
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return f"it has no {', '.join(lacking[:3])}{more}" if lacking else ""
