"""Explanations as files: a picture and a JSON file beside it, methods side by side, and all of it as one HTML file."""

import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from mmx.errors import UsageError
from mmx.render.detection_methods import detection_methods_sheet
from mmx.render.documents import detections_to_dict, explanation_to_dict, explanations_to_dict, json_bytes
from mmx.render.figure import detections_html, explanation_html, explanations_html
from mmx.render.files import write_atomically, write_together
from mmx.render.map_methods import map_methods_sheet
from mmx.render.page import html_page
from mmx.render.sheet import comparison_sheet
from mmx.types import Detections, Explanation, Explanations

__all__ = ["detections_html", "detections_to_dict", "explanation_html", "explanation_to_dict", "explanations_html",
           "explanations_to_dict", "json_bytes", "page_path", "png_bytes", "save_explanation", "save_page",
           "save_sheet", "sheet_path", "side_by_side", "write_atomically"]

Drawn = Explanation | Detections | Explanations


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG file."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def save_explanation(explanation: Drawn, folder: Path, stem: str | None = None) -> tuple[Path, Path]:
    """Writes `<stem>.<method>.png` and `.json` into `folder` and returns their paths.

    `stem` defaults to the name of the picture's file. Raises OutputError if they cannot be written.
    """
    stem = _stem_of(explanation.picture.source) if stem is None else _checked(stem)
    name = ".".join([stem, *_which(explanation), explanation.method])
    picture, report = folder / f"{name}.png", folder / f"{name}.json"
    write_together({picture: png_bytes(explanation.to_image()), report: json_bytes(explanation)})
    return picture, report


def _which(explanation: Drawn) -> list[str]:
    """Which of a picture's explanations it is, where it stands alone."""
    if not isinstance(explanation, Explanation) or explanation.grid is None:
        return []
    if explanation.detection is not None:
        return [f"query-{explanation.detection.query}"]
    return [f"{'class' if explanation.match is None else 'text'}-{explanation.target.index}"]


def sheet_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.methods.png"


def save_sheet(explanations: Sequence[Drawn], folder: Path, stem: str | None = None) -> Path:
    """Writes `<stem>.methods.png`, the methods side by side on one picture, and returns its path."""
    path = sheet_path(folder, _stem_of(explanations[0].picture.source) if stem is None else _checked(stem))
    write_atomically(path, png_bytes(side_by_side(explanations)))
    return path


def page_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.html"


def save_page(explanations: Sequence[Drawn], folder: Path, stem: str | None = None) -> Path:
    """Writes `<stem>.html`, all methods on one picture in a single file that needs no other, and returns its path."""
    path = page_path(folder, _stem_of(explanations[0].picture.source) if stem is None else _checked(stem))
    write_atomically(path, html_page(explanations).encode())
    return path


def side_by_side(results: Sequence[Drawn]) -> Image.Image:
    """The sheet of several methods on one picture."""
    detections = [result for result in results if isinstance(result, Detections)]
    if detections:
        return detection_methods_sheet(detections)
    maps = [result for result in results if isinstance(result, Explanations)]
    if maps:
        return map_methods_sheet(maps)
    return comparison_sheet([result for result in results if isinstance(result, Explanation)])


def _stem_of(source: str) -> str:
    return re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("_.") or "explanation"


def _checked(stem: str) -> str:
    if stem in ("", ".", "..") or any(char in stem for char in "/\\\0"):
        raise UsageError(f"'{stem}' is not a plain file name.", "Give a name without a folder and without an ending.")
    return stem
