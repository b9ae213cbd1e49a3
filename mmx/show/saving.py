"""Explanations as files: figures and a JSON file beside them, methods side by side, and all of it as one HTML file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mmx.errors import UsageError, shown_path, unknown_name
from mmx.files import write_new, write_together
from mmx.results import Explanation, Subject, file_stem
from mmx.show import plotting
from mmx.show.blocks import picture
from mmx.show.colors import Look
from mmx.show.figure import figure_of
from mmx.show.heatmap import overlay
from mmx.show.html import html_page
from mmx.show.plotting import FORMATS, VECTOR_DENSITY, plot_of, png_bytes
from mmx.show.sheet import sheet
from mmx.show.style import own_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

KINDS = ("sheet", "overlay")
SCORES_ALONE = "json"
_MARGIN = 48


@dataclass(frozen=True)
class Drawing:
    """What is drawn of an explanation, and how.

    Attributes:
        kind: "sheet", all of it with words and scales, or "overlay", the picture alone with its map, at its own size.
        formats: some of "png", "svg" and "pdf"; "json", which is written in any case, stands for no figure.

    Raises:
        UsageError: a kind or format that there is not.
    """

    kind: str = "sheet"
    formats: tuple[str, ...] = ("png",)
    look: Look = Look()  # noqa: RUF009 - it is frozen

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("figure", self.kind, KINDS)
        if not self.formats:
            raise UsageError("There is no format to draw in.", f"There are {', '.join(FORMATS)}.")
        for one in self.formats:
            if one not in (*FORMATS, SCORES_ALONE):
                raise unknown_name("format", one, (*FORMATS, SCORES_ALONE))

    @property
    def drawn(self) -> tuple[str, ...]:
        """The formats of figures."""
        return tuple(one for one in self.formats if one != SCORES_ALONE)

    def files(self, explanations: Sequence[Explanation], stem: str) -> dict[str, bytes]:
        """File name → bytes: `<stem>.<format>`, and of several items' overlays `<stem>.<number>.<format>`."""
        drawn = dict[str, bytes]()
        overlays = self._overlays(explanations) if self.kind == "overlay" and self.drawn else []
        for one in self.drawn:
            density = 1 if one == "png" else VECTOR_DENSITY
            if self.kind == "sheet":
                with own_style():
                    drawn[f"{stem}.{one}"] = plotting.to_bytes(to_plot(explanations, self.look, density), one, density)
                continue
            names = replace(self, formats=(one,)).names(stem, len(explanations[0]))
            drawn |= {name: _alone(image, one) for name, image in zip(names, overlays, strict=True)}
        return drawn

    def names(self, stem: str, count: int = 1) -> list[str]:
        """The file names that `files` gives to an explanation of so many items, without drawing."""
        parts = [""] if self.kind == "sheet" or count == 1 else [f".{number + 1}" for number in range(count)]
        return [f"{stem}{part}.{one}" for one in self.drawn for part in parts]

    def _overlays(self, explanations: Sequence[Explanation]) -> list[Image.Image]:
        if len(explanations) > 1:
            raise UsageError("Methods side by side are drawn as a sheet.", "Leave out --figure overlay.")
        return [overlay(explanations[0], item, look=self.look) for item in explanations[0]]


def _alone(image: Image.Image, file_format: str) -> bytes:
    if file_format == "png":
        return png_bytes(image)
    with own_style():
        plot = plot_of(picture(np.asarray(image), *image.size), 0)
    return plotting.to_bytes(plot, file_format)


def to_plot(explanations: Sequence[Explanation], look: Look | None = None, density: int = 1) -> "Plot":
    """The sheet of one explanation, or of several methods side by side, as a figure of matplotlib.

    Raises what `figure_of` does.
    """
    figure = figure_of(explanations, look)
    with own_style():
        return plot_of(sheet(figure, density), _MARGIN)


def to_image(explanations: Sequence[Explanation], look: Look | None = None) -> Image.Image:
    """The same in pixels."""
    return plotting.to_image(to_plot(explanations, look))


def save_explanation(explanation: Explanation, folder: Path, stem: str | None = None,
                     drawing: Drawing | None = None, overwrite: bool = False) -> tuple[Path, ...]:
    """Writes `<stem>.<method>.png`, or as `drawing` says, and `.json` into `folder`; see `Explanation.save`."""
    name = f"{_stem(explanation, stem)}.{explanation.method}"
    if not overwrite:
        _refuse_replacing(folder / f"{name}.json", explanation)
    drawn = (drawing or Drawing()).files([explanation], name)
    files = {folder / file: content for file, content in drawn.items()}
    files[folder / f"{name}.json"] = explanation.to_json()
    write_together(files)
    return tuple(files)


def save_sheet(explanations: Sequence[Explanation], folder: Path, stem: str | None = None,
               drawing: Drawing | None = None, overwrite: bool = False) -> tuple[Path, ...]:
    """Writes `<stem>.methods.png`, the methods side by side, or as `drawing` says, and returns the paths.

    Raises:
        UsageError: others are there, and they are not to be overwritten.
    """
    drawn = (drawing or Drawing()).files(explanations, f"{_stem(explanations[0], stem)}.methods")
    return _saved({folder / file: content for file, content in drawn.items()}, overwrite)


def save_page(explanations: Sequence[Explanation], folder: Path, stem: str | None = None,
              look: Look | None = None, overwrite: bool = False) -> Path:
    """Writes `<stem>.html`, all methods in a single file that needs no other, and returns its path.

    Raises:
        UsageError: another one is there, and it is not to be overwritten.
    """
    path = page_path(folder, _stem(explanations[0], stem))
    return _saved({path: html_page(explanations, look).encode()}, overwrite)[0]


def other_subject(report: Path, subject: Subject) -> str | None:
    """What is in a report of something else than `subject`, in words; None of the same, and where there is none."""
    there = _document(report)
    found = Subject.read(there)
    return None if found is None else subject.differs(found)


def replaces(report: Path, what: str, more: int = 0) -> UsageError:
    """The error for a result that would replace one of something else, and `more` like it."""
    told = f" (and {more} more)" if more else ""
    return UsageError(f"{shown_path(report)} is there already{told} and {what}.",
                      "Choose another folder with --out, or replace it (--overwrite, overwrite=True).")


def _refuse_replacing(report: Path, explanation: Explanation) -> None:
    what = other_subject(report, explanation.subject)
    if what is None and Subject.read(there := _document(report)) is not None:
        own = [(item.index, item.query) for item in explanation]
        what = None if [(one["index"], one["query"]) for one in there["items"]] == own else "has other items"
    if what is not None:
        raise replaces(report, what)


def _document(report: Path) -> Any:
    try:
        return json.loads(report.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _saved(files: Mapping[Path, bytes], overwrite: bool) -> tuple[Path, ...]:
    write_new(files, overwrite)
    return tuple(files)


def sheet_paths(folder: Path, stem: str, drawing: Drawing) -> list[Path]:
    """Where methods side by side lie; overlays are not laid side by side."""
    return [folder / name for name in drawing.names(f"{stem}.methods")] if drawing.kind == "sheet" else []


def page_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.html"


def _stem(explanation: Explanation, given: str | None) -> str:
    """A plain file name: as given, or out of the picture's source."""
    if given is None:
        return file_stem(explanation.pictures[0].source if explanation.pictures else "", explanation.asked)
    if given in ("", ".", "..") or any(char in given for char in "/\\\0"):
        raise UsageError(f"'{given}' is not a plain file name.", "Give a name without a folder and without an ending.")
    return given
