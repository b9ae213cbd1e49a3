"""What documents say of families, made of the families themselves; run, it is written anew.

README has a table of the classes that mmx explains, docs/families.md what is read of each, docs/add-a-family.md a list
of every field of a family's table.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import getdoc
from pathlib import Path
from types import ModuleType

from mmx import schedule
from mmx.checkpoints.catalog import ClassEntry, classes
from mmx.cli.fields import option_of
from mmx.families import base
from mmx.registry import load_module, module_names

REPOSITORY = Path(__file__).parents[1]
_HEAD = ("`transformers` class", "what it does", "is asked with", "relevance of", "checkpoints, such as")


def table() -> str:
    """A row for each class that needs no other package."""
    own = module_names("families")
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(one) for one in classes() if one.family in own)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _row(one: ClassEntry) -> tuple[str, ...]:
    """The checkpoint that ships, and one for photographs."""
    shipped = [name for name in one.checkpoints if "/" not in name]
    others = [name for name in one.checkpoints if "/" in name]
    asked = [*(f"`{option_of(field)}`" for field in one.must), *(f"[`{option_of(field)}`]" for field in one.may)]
    return (f"`{one.name}`", one.does, " ".join(asked), ", ".join(dict.fromkeys(one.covers.values())),
            ", ".join(f"`{name}`" for name in (*shipped[:1], *others[:1])))


def field_list() -> str:
    """What each class of a table is, and its fields, as their docstrings have it; but for those of checkpoints."""
    return "\n".join(line for module in (base, schedule) for one in _tables(module) for line in _told(one))


def _tables(module: ModuleType) -> Iterator[type]:
    """The family itself, then what stands in this module, then what stands beside it."""
    found = [one for one in vars(module).values() if isinstance(one, type) and is_dataclass(one)
             and one.__module__.startswith(module.__name__.removesuffix(".base"))
             and one not in (base.Checkpoint, base.Names)]
    yield from sorted(found, key=lambda one: (one is not base.Family, one.__module__ != module.__name__))


def _told(table: type) -> Iterator[str]:
    about, _, attributes = (getdoc(table) or "").partition("\n\nAttributes:\n")
    given = ", ".join(map(_argument, fields(table)))
    yield f"- **`{table.__name__}({given})`** {' '.join(about.split())}"
    for names, text in re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        yield f"  - `{names}`: {' '.join(text.split())}"


def _argument(field: Field) -> str:
    """Its name, and the default where that is a plain value."""
    value = field.default
    plain = value is None or isinstance(value, str | int | float | tuple)
    if value is not MISSING and plain and value != ():
        return f"{field.name}={value!r}".replace("'", '"')
    return field.name if value is MISSING and field.default_factory is MISSING else f"{field.name}=..."


def chapters() -> str:
    """What each file of families says of them, under the names of its classes."""
    told = []
    for name in module_names("families"):
        module = load_module("families", name)
        found = module.FAMILY if isinstance(module.FAMILY, tuple) else (module.FAMILY,)
        names = ", ".join(dict.fromkeys(f"`{one}`" for family in found for one in family.architectures))
        told.append(f"### {names}\n\n{(module.__doc__ or '').strip()}\n")
    return "\n".join(told)


WRITTEN: Mapping[Path, tuple[str, Callable[[], str]]] = {
    REPOSITORY / "README.md": ("families", table), REPOSITORY / "docs" / "families.md": ("chapters", chapters),
    REPOSITORY / "docs" / "add-a-family.md": ("fields", field_list)}
"""Document → what it has, between two comments, and what makes that."""


def marks(what: str) -> tuple[str, str]:
    """Comments before and after."""
    return f"<!-- {what}, by make table -->", f"<!-- end of {what} -->"


def renewed(text: str, what: str, made: Callable[[], str]) -> str:
    """A document with it as it must be."""
    begin, end = marks(what)
    return re.sub(f"(?<={begin}\n).*?(?=\n{end})", lambda _: made(), text, flags=re.DOTALL)


if __name__ == "__main__":
    for path, told in WRITTEN.items():
        path.write_text(renewed(path.read_text(encoding="utf-8"), *told), encoding="utf-8")
