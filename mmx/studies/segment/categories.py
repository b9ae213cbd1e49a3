"""Which category of an annotation file each class of a detector stands for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mmx.errors import UsageError

_NAMELESS = re.compile(r"(LABEL_|class )\d+")


@dataclass(frozen=True)
class CategoryMap:
    """`ids` has the category of each class, None for a class that the file does not know; `how` says why."""

    ids: tuple[int | None, ...]
    how: str


def match_categories(labels: Mapping[int, str], categories: Mapping[int, str], model: str) -> CategoryMap:
    """By number where a checkpoint's classes are numbered as the file's categories, else by name.

    Raises:
        UsageError: neither fits.
    """
    count = max(labels) + 1
    if all(_NAMELESS.fullmatch(name) for name in labels.values()) and max(categories) < count:
        return CategoryMap(tuple(range(count)), "number (its classes have no names)")
    if all(_same(labels.get(number, ""), name) for number, name in categories.items()):
        return CategoryMap(tuple(range(count)), "number")
    by_name = {name.strip().lower(): number for number, name in categories.items()}
    ids = tuple(by_name.get(labels.get(index, "").strip().lower()) for index in range(count))
    if len(by_name) == len(categories) and sorted(number for number in ids if number is not None) == sorted(categories):
        return CategoryMap(ids, "name")
    lacking = [name for name, number in by_name.items() if number not in ids]
    raise UsageError(f"The classes of {model} are not the categories of the annotation file, neither by number nor by "
                     f"name: {_named(lacking) or 'some name stands for several'}.",
                     "Give a detector that was trained on these categories.")


def _same(label: str, name: str) -> bool:
    return label.strip().lower() == name.strip().lower()


def _named(lacking: list[str]) -> str:
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return f"it has no {', '.join(lacking[:3])}{more}" if lacking else ""
