"""All files that answer one request. Other processes do it, so nothing here may need torch."""

from collections.abc import Sequence
from pathlib import Path

from mmx.cli.results import Files
from mmx.results import Explanation
from mmx.show.saving import Drawing, save_explanation, save_page, save_sheet

Saved = tuple[list[Files], Path | None, Path | None]
"""The files of each explanation, all of them side by side, and the page."""


def save_all(explanations: Sequence[Explanation], out: Path, stem: str, drawing: Drawing, html: bool,
             overwrite: bool) -> Saved:
    """Draws and writes what answers one request. Raises UsageError and OutputError."""
    ours = overwrite or any((out / f"{stem}.{one.method}.json").is_file() for one in explanations)
    files = [save_explanation(one, out, stem, drawing, overwrite) for one in explanations]
    several = len(explanations) > 1 and drawing.kind == "sheet"
    together = save_sheet(explanations, out, stem, drawing, ours) if several else ()
    sheet = next(iter(together), None)
    page = save_page(explanations, out, stem, drawing.look, ours) if html else None
    return files, sheet, page
