"""Explanations as files: a picture and a JSON file beside it, methods side by side, and all of it as one HTML file."""

import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mmx.errors import UsageError
from mmx.files import write_atomically, write_together
from mmx.results import Explanation
from mmx.show.figure import figure_of
from mmx.show.html import html_page
from mmx.show.png import draw, png_bytes

__all__ = ["page_path", "png_bytes", "save_explanation", "save_page", "save_sheet", "sheet_path", "to_image"]


def to_image(explanations: Sequence[Explanation]) -> Image.Image:
    """The drawn figure of one explanation, or of several methods side by side. Raises what `figure_of` does."""
    return draw(figure_of(explanations))


def save_explanation(explanation: Explanation, folder: Path, stem: str | None = None) -> tuple[Path, Path]:
    """Writes `<stem>.<method>.png` and `.json` into `folder` and returns their paths.

    `stem` defaults to the name of the picture's file. Raises OutputError if they cannot be written.
    """
    name = f"{_stem(explanation, stem)}.{explanation.method}"
    picture, report = folder / f"{name}.png", folder / f"{name}.json"
    drawn, document = png_bytes(to_image([explanation])), explanation.to_json()
    write_together({picture: drawn, report: document})
    return picture, report


def save_sheet(explanations: Sequence[Explanation], folder: Path, stem: str | None = None) -> Path:
    """Writes `<stem>.methods.png`, the methods side by side, and returns its path."""
    path = sheet_path(folder, _stem(explanations[0], stem))
    drawn = png_bytes(to_image(explanations))
    write_atomically(path, drawn)
    return path


def save_page(explanations: Sequence[Explanation], folder: Path, stem: str | None = None) -> Path:
    """Writes `<stem>.html`, all methods in a single file that needs no other, and returns its path."""
    path = page_path(folder, _stem(explanations[0], stem))
    page = html_page(explanations).encode()
    write_atomically(path, page)
    return path


def sheet_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.methods.png"


def page_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.html"


def _stem(explanation: Explanation, given: str | None) -> str:
    """A plain file name: as given, or out of the picture's source."""
    if given is None:
        source = explanation.pictures[0].source if explanation.pictures else ""
        return re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("_.") or "explanation"
    if given in ("", ".", "..") or any(char in given for char in "/\\\0"):
        raise UsageError(f"'{given}' is not a plain file name.", "Give a name without a folder and without an ending.")
    return given
