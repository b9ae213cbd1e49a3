"""What documents and `mmx methods` say of methods, made of methods and families themselves; run, it is written anew.

docs/methods.md has a chapter for each method and a table of methods by classes of models; mmx/methods/defined.json the
latter for programs.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from string import ascii_uppercase

import transformers
from family_table import REPOSITORY, renewed

from mmx.checkpoints.families import all_families
from mmx.methods import KINDS, Layout, Method, all_methods
from mmx.methods._defined import FILE
from mmx.model.fitting import layout_of
from mmx.registry import module_names

DOCUMENT = REPOSITORY / "docs" / "methods.md"
YES = "yes"


def own_methods() -> list[Method]:
    """Those of mmx, in the order of `mmx methods`."""
    names = {name.replace("_", "-") for name in module_names("methods")}
    found = [method for method in all_methods() if method.name in names]
    return sorted(found, key=lambda method: [*KINDS].index(method.kind))


@cache
def layouts() -> Mapping[str, Layout]:
    """Of each class, of a config with nothing but defaults."""
    found: dict[str, Layout] = {}
    for key, family in all_families():
        for name in family.architectures if key in module_names("families") else ():
            config = getattr(transformers, name).config_class()
            if family.fits(config):
                found.setdefault(name, layout_of(family, config))
    return dict(sorted(found.items()))


def why_not(method: Method, name: str) -> str:
    """Why it is not defined on a class; "" where it is."""
    return method.unfit(layouts()[name])


def defined() -> str:
    """What the file for programs has."""
    not_on: dict[str, dict[str, list[str]]] = {}
    for method in sorted(own_methods(), key=lambda method: method.name):
        reasons = not_on.setdefault(method.name, {})
        for name in layouts():
            if why := why_not(method, name):
                reasons.setdefault(why, []).append(name)
    return json.dumps({"classes": [*layouts()], "not_on": not_on}, indent=1, ensure_ascii=False) + "\n"


def table() -> str:
    """A row for each method, a column for all classes on which the same methods are defined: those of most first."""
    methods, alike = own_methods(), dict[tuple[str, ...], list[str]]()
    for name in layouts():
        alike.setdefault(tuple(why_not(method, name) for method in methods), []).append(name)
    columns = sorted(alike.items(), key=lambda one: -len(one[1]))
    listed = [f"- **{letter}**: {', '.join(f'`{name}`' for name in names)}"
              for letter, (_, names) in zip(ascii_uppercase, columns, strict=False)]
    rows = [("method", *ascii_uppercase[:len(columns)]), ("---",) * (1 + len(columns))]
    rows += [(f"`{method.name}`", *(answers[place] or YES for answers, _ in columns))
             for place, method in enumerate(methods)]
    return "\n".join([*listed, "", *(f"| {' | '.join(cells)} |" for cells in rows)])


def chapters() -> str:
    """What each method says of itself, by what it needs."""
    return "\n".join(line for kind in KINDS for line in _kind(kind))


def _kind(kind: str) -> Iterator[str]:
    own = [method for method in own_methods() if method.kind == kind]
    if own:
        yield f"### Needs {kind}\n"
    for method in own:
        yield f"#### `{method.name}`\n\n{method.summary}\n"
        told = {"Source": method.source, "Reads": ", ".join(method.needs), "Departs": method.departs,
                "Signed": "a score below zero is evidence against" if method.signed else "",
                "Alone": "" if method.floors is None else f"{method.floors:.2g} floors",
                "Also named": ", ".join(f"`{alias}`" for alias in method.aliases),
                "Not defined": _not_defined(method)}
        yield "\n".join(f"- {what}: {text}" for what, text in told.items() if text) + "\n"


def _not_defined(method: Method) -> str:
    reasons: dict[str, int] = {}
    for name in layouts():
        if why := why_not(method, name):
            reasons[why] = reasons.get(why, 0) + 1
    return "; ".join(f"on {count} of {len(layouts())} classes: {why}" for why, count in reasons.items())


MARKED: Mapping[str, Callable[[], str]] = {"methods": chapters, "classes": table}
"""What docs/methods.md has between two comments each, and what makes that."""


def document(text: str) -> str:
    """docs/methods.md as it must be."""
    for what, made in MARKED.items():
        text = renewed(text, what, made)
    return text


WRITTEN: Mapping[Path, Callable[[str], str]] = {DOCUMENT: document, FILE: lambda text: defined()}
"""File → what it must be, given what it is."""

if __name__ == "__main__":
    for path, made in WRITTEN.items():
        path.write_text(made(path.read_text(encoding="utf-8") if path.exists() else ""), encoding="utf-8")
