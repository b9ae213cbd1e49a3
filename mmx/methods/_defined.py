"""On which classes of `transformers` each method is defined, told without a model: what `make table` wrote."""

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "defined.json"


def defined_on(method: str) -> list[str] | None:
    """Names of the classes; None of a method that another package offers, which is asked when a model is loaded."""
    found = _found()
    if method not in found["not_on"]:
        return None
    without = {one for several in found["not_on"][method].values() for one in several}
    return [one for one in found["classes"] if one not in without]


@cache
def _found() -> Any:
    """`classes`: all of them; `not_on`: method → reason → those on which it is not defined."""
    return json.loads(FILE.read_text(encoding="utf-8"))
