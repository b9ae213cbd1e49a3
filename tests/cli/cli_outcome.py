"""What a call of the command leaves behind."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Exit code and everything that was printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that a failing call says."""
        line, *more = self.err.split("\n")
        assert more == [""], self.err
        assert line.startswith("error: "), self.err
        return line.removeprefix("error: ")


Command = Callable[..., Outcome]

Report = dict[str, Any]
"""An explanation as JSON."""


def report(folder: Path, name: str = "scene*.relevance.json") -> Report:
    """The one file of this name that was written into the folder `out`."""
    [path] = (folder / "out").glob(name)
    return json.loads(path.read_text())


def labels(document: Report) -> list[str]:
    """What is explained."""
    return [item["label"] for item in document["items"]]


def elements(document: Report, stream: str, item: int | None = None) -> dict[str, Any]:
    """What the tokens of a stream are: those of all items, or of one."""
    of = document if item is None else document["items"][item]
    [found] = of["elements"][stream]
    return found


def tokens(document: Report, item: int | None = None) -> list[dict[str, Any]]:
    """Those of a text, each with its "relevance"."""
    scores = document["items"][item or 0]["scores"]["text"]
    return [{**token, "relevance": score}
            for token, score in zip(elements(document, "text", item)["tokens"], scores, strict=True)]
