"""What the answers or classes of a checkpoint are called, and what a reader must know where they have no names."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from mmx.checkpoints.catalog import known_checkpoint
from mmx.checkpoints.hub import fetch_names
from mmx.checkpoints.names import parse_names
from mmx.elements.base import Context
from mmx.errors import CheckpointError, UsageError, plural, shown_path
from mmx.families.base import Labelled


class Labels:
    """Those given, else the config's, else what the original release called them, else numbers and a warning."""

    def __init__(self, score: Labelled, context: Context) -> None:
        self._score, self._context = score, context

    @cached_property
    def _found(self) -> tuple[list[str], tuple[str, ...]]:
        given, name, count = self._context.given.answers, self._context.source.name, self._count
        if isinstance(given, Path):
            return _read(given, count), ()
        if given is not None:
            if len(given) != count:
                raise UsageError(f"{len(given)} answers were given; {name} has {count}.")
            return list(given), ()
        if self._named:
            return [str(self._ids.get(index, f"{self._noun} {index}")) for index in range(count)], ()
        nouns = plural(self._noun)
        numbered = [f"{self._noun} {index}" for index in range(count)]
        known = known_checkpoint(name)
        if known is None or known.names is None or known.names.length != count:
            return numbered, (f"{name} does not name its {nouns}, so they are numbers: give `answers=FILE`",)
        try:
            return fetch_names(known.names), ()
        except CheckpointError as error:
            return numbered, (f"{nouns} are numbers: {error.message} Give `answers=FILE`",)

    @property
    def beside(self) -> dict[str, str]:
        """As an encoder's."""
        if self._context.given.answers is None:
            return {}
        return {"answers": f"sha256:{hashlib.sha256(json.dumps(list(self.names)).encode()).hexdigest()}"}

    @property
    def names(self) -> Sequence[str]:
        """By index."""
        return self._found[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._found[1]

    @property
    def _noun(self) -> str:
        return self._score.noun

    @property
    def _count(self) -> int:
        return int(getattr(self._context.config, self._score.count))

    @property
    def _ids(self) -> dict[int, str]:
        return self._context.config.id2label or {}

    @property
    def _named(self) -> bool:
        """A config without names gets LABEL_0, LABEL_1 and so on."""
        return len(self._ids) == self._count and self._ids != {index: f"LABEL_{index}" for index in self._ids}


def _read(path: Path, count: int) -> list[str]:
    try:
        return parse_names(path.read_bytes(), shown_path(path), count)
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
    except CheckpointError as error:
        raise UsageError(error.message, error.hint) from error
