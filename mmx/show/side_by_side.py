"""What several methods say of one subject, as one thing that draws and saves itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mmx.results import Explanation
from mmx.show.figure import require_one_subject
from mmx.show.html import html_figure
from mmx.show.saving import png_bytes, save_page, save_sheet, to_image


@dataclass(frozen=True)
class SideBySide:
    """Explanations of the same items by several methods, as `Model.explain_methods` gives them."""

    results: tuple[Explanation, ...]

    def to_image(self) -> Image.Image:
        return to_image(self.results)

    def save(self, folder: str | Path, stem: str | None = None) -> tuple[Path, Path]:
        """Writes `<stem>.methods.png` and `<stem>.html` into `folder` and returns their paths."""
        return save_sheet(self.results, Path(folder), stem), save_page(self.results, Path(folder), stem)

    def _repr_html_(self) -> str:
        return html_figure(self.results)

    def _repr_png_(self) -> bytes:
        return png_bytes(self.to_image())


def side_by_side(results: Sequence[Explanation]) -> SideBySide:
    """Raises UsageError where there is nothing to compare, or the results are not of one subject."""
    require_one_subject(results)
    return SideBySide(tuple(results))
