"""The JSON form of everything that mmx prints and writes: its version, and its JSON Schema. docs/json.md tells it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 2


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12: whatever mmx writes is one of those in "$defs"; the whole takes any document."""
    return json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))


def misfit(document: Any, name: str) -> str | None:
    """The first thing that keeps a document from being of a form in "$defs", as "items/0/unit is 5"; None for none.

    As far as the schema goes: of what JSON Schema has, what it uses is looked at.
    """
    return next(_misfits(document, _form(name), ""), None)


@cache
def _form(name: str) -> Mapping[str, Any]:
    return json_schema()["$defs"][name]


_IS: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict), "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str), "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1.7e308}
_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, kinds: any(_IS[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds)),
    "const": lambda value, one: value == one, "enum": lambda value, several: value in several,
    "minimum": lambda value, least: not _IS["number"](value) or value >= least,
    "exclusiveMinimum": lambda value, less: not _IS["number"](value) or value > less,
    "maximum": lambda value, most: not _IS["number"](value) or value <= most,
    "minItems": lambda value, least: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda value, most: not isinstance(value, list) or len(value) <= most,
    "pattern": lambda value, wanted: not isinstance(value, str) or re.search(wanted, value) is not None,
    "anyOf": lambda value, forms: any(_fits(value, form) for form in forms),
    "oneOf": lambda value, forms: sum(_fits(value, form) for form in forms) == 1}


def _fits(value: Any, form: Mapping[str, Any]) -> bool:
    return next(_misfits(value, form, ""), None) is None


def _misfits(value: Any, form: Mapping[str, Any], place: str) -> Iterator[str]:
    if "$ref" in form:
        yield from _misfits(value, _form(form["$ref"].rpartition("/")[2]), place)
    if not all(holds(value, form[word]) for word, holds in _HOLDS.items() if word in form):
        yield f"{place or 'it'} is {json.dumps(value)[:40]}"
    if "if" in form and _fits(value, form["if"]):
        yield from _misfits(value, form["then"], place)
    before = f"{place}/" if place else ""
    if isinstance(value, list) and "items" in form:
        for number, one in enumerate(value):
            yield from _misfits(one, form["items"], f"{before}{number}")
    if isinstance(value, dict):
        own = form.get("properties", {})
        yield from (f"{before}{name} is missing" for name in form.get("required", ()) if name not in value)
        others = form.get("additionalProperties")
        for name, one in value.items():
            yield from _misfits(name, form.get("propertyNames", {}), f"{before}{name}")
            yield from _misfits(one, own.get(name, others or {}), f"{before}{name}")
            if name not in own and others is False:
                yield f"{before}{name} is not known"
