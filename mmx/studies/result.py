"""What a study comes to: a summary of plain values, long-form rows, a figure, and the files of all that."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from PIL import Image

from mmx.errors import MmxError, UsageError, shown_path
from mmx.files import write_together
from mmx.results import json_bytes
from mmx.studies.folders import SUMMARY, TABLE
from mmx.studies.world import World


@dataclass(frozen=True, repr=False, eq=False)
class Study(ABC):
    """The outcome of an evaluation.

    Attributes:
        columns: of `rows` and of summary.csv, in order.
        document: the summary; see `to_dict`.
    """

    columns: ClassVar[tuple[str, ...]]
    document: Mapping[str, Any]

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Plain long-form rows: for CSV, or `pandas.DataFrame(rows)`."""

    def to_dict(self) -> dict[str, Any]:
        """The summary, `schema_version` 2: every figure and every parameter, alike however the study was run."""
        return deepcopy(dict(self.document))

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Writes the summary, its rows and its figure into `folder` (made if absent), all of them or none.

        Raises:
            OutputError: they cannot be written.
        """
        contents = {Path(folder) / name: content for name, content in self._files().items()}
        write_together(contents)
        return tuple(contents)

    def _files(self) -> dict[str, bytes]:
        """The summary comes last: where it is, the study is done."""
        return {TABLE: csv_bytes(self.rows(), self.columns), SUMMARY: json_bytes(self.document)}


@dataclass(frozen=True, repr=False, eq=False)
class DrawnStudy(Study):
    """A study with a figure, `png`."""

    figure: ClassVar[str]
    png: bytes

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """What a finished run wrote into `folder`.

        Raises:
            UsageError: there is none.
        """
        try:
            return cls(json.loads((Path(folder) / SUMMARY).read_bytes()), (Path(folder) / cls.figure).read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"{shown_path(folder)} holds no finished study.",
                             "Unfinished ones go on with `resume=True`.") from error

    def plot(self) -> Image.Image:
        """The figure as a picture."""
        return Image.open(io.BytesIO(self.png))

    def _repr_png_(self) -> bytes:
        return self.png

    def _files(self) -> dict[str, bytes]:
        return {self.figure: self.png, **super()._files()}


Drawn = TypeVar("Drawn", bound=DrawnStudy)


def finished(kind: type[Drawn], folder: Path, world: World, sum_up: Callable[[], Drawn]) -> Drawn:
    """The study that the leading process sums up and writes into `folder`; the others wait for it and read it."""
    if not world.leads:
        world.wait()
        try:
            return kind.read(folder)
        except UsageError as error:
            raise MmxError("There is no summary; the first process says why.") from error
    try:
        study = sum_up()
        study.save(folder)
        return study
    finally:
        world.wait()


def csv_bytes(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows under a line of column names, as an UTF-8 file. What is None is empty."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode("utf-8", errors="backslashreplace")
