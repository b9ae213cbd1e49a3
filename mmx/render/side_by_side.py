"""What several methods say of one subject, as one thing that draws and saves itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mmx.errors import UsageError
from mmx.render.comparison import Drawn, comparison_html
from mmx.render.report import png_bytes, save_page, save_sheet
from mmx.render.report import side_by_side as sheet_of


@dataclass(frozen=True)
class SideBySide:
    """Results of one picture by several methods, as `Model.explain_methods` gives them."""

    results: tuple[Drawn, ...]

    def to_image(self) -> Image.Image:
        return sheet_of(self.results)

    def save(self, folder: str | Path, stem: str | None = None) -> tuple[Path, Path]:
        """Writes `<stem>.methods.png` and `<stem>.html` into `folder` and returns their paths."""
        return save_sheet(self.results, Path(folder), stem), save_page(self.results, Path(folder), stem)

    def _repr_html_(self) -> str:
        return comparison_html(self.results)

    def _repr_png_(self) -> bytes:
        return png_bytes(self.to_image())


def side_by_side(results: Sequence[Drawn]) -> SideBySide:
    """Raises UsageError where there is nothing to compare, or the results are not of one subject."""
    if not results:
        raise UsageError("There is nothing to compare.", "Give the results of explain_methods.")
    if len({(one.picture.sha256, one.model.name, type(one)) for one in results}) > 1:
        raise UsageError("The results to compare differ in picture or model.",
                         "Compare methods on one picture and one model.")
    return SideBySide(tuple(results))
