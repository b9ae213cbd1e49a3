"""How a message names a field on the command line, as the option that it is there."""

import re

from mmx.errors import fields_told

_CALLED = {"class_name": "class", "methods": "method", "texts": "text", "targets": "target", "queries": "query"}
_QUOTED_WORD = re.compile(r'"(\w[\w./:-]*)"')


def with_options(message: str) -> str:
    """A message as a command line says it: `device="cpu"` is --device cpu."""
    return fields_told(message, _as_option)


def option_of(name: str) -> str:
    """The option by which a field is given: "--target" for the field "targets"."""
    return f"--{_CALLED.get(name, name).replace('_', '-')}"


def _as_option(name: str, value: str) -> str:
    """Of {"provider": "frcnn", "checkpoint": FOLDER} the values, frcnn:FOLDER; of a list what it holds."""
    if value.startswith("{"):
        value = ":".join(pair.partition(": ")[2] for pair in value.strip("{}").split(", "))
    given = _QUOTED_WORD.sub(r"\1", value.strip("[]"))
    option = option_of(name)
    return option if given in ("", "True") else f"{option} {given}"
