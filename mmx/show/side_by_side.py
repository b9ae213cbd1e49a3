"""What several methods say of one subject, as one thing that draws and saves itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from mmx.results import Explanation
from mmx.show.colors import Look
from mmx.show.figure import require_one_subject
from mmx.show.html import html_figure
from mmx.show.plotting import jpeg_bytes
from mmx.show.saving import Drawing, save_page, save_sheet, to_image, to_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class SideBySide:
    """Explanations of the same items by several methods, as `Model.explain_methods` gives them."""

    results: tuple[Explanation, ...]

    def __repr__(self) -> str:
        first, methods = self.results[0], ", ".join(one.method for one in self.results)
        return f"<SideBySide of {first.picture.source}, {first.model.name}: {methods}>"

    def to_image(self) -> Image.Image:
        """All of it as a picture: a row for each item, a column for each method."""
        return to_image(self.results)

    def figure(self, *, cmap: str | None = None, alpha: float | None = None, cells: bool = False) -> "Figure":
        """The same as a figure of matplotlib; arguments are those of `Explanation.overlay`."""
        return to_plot(self.results, Look(cmap, alpha, cells))

    def save(self, folder: str | Path, stem: str | None = None, *, formats: Sequence[str] = ("png",),
             cmap: str | None = None, alpha: float | None = None, cells: bool = False,
             overwrite: bool = False) -> tuple[Path, ...]:
        """Writes `<stem>.methods.png` and `<stem>.html` into `folder` and returns their paths.

        Arguments are those of `Explanation.save`.
        """
        look = Look(cmap, alpha, cells)
        drawn = save_sheet(self.results, Path(folder), stem, Drawing("sheet", tuple(formats), look), overwrite)
        return *drawn, save_page(self.results, Path(folder), stem, look, overwrite)

    def _repr_html_(self) -> str:
        return html_figure(self.results)

    def _repr_jpeg_(self) -> bytes:
        return jpeg_bytes(self.to_image())


def side_by_side(results: Sequence[Explanation]) -> SideBySide:
    """Raises UsageError where there is nothing to compare, or the results are not of one subject."""
    require_one_subject(results)
    return SideBySide(tuple(results))
