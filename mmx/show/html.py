"""A figure as HTML, for notebooks, saved pages and the web page: inline pictures, real text, no script.

A notebook or a page brings its own ground and text colour, so none is set but on what is shaded. The template escapes
all text.
"""

from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from mmx.results import Explanation
from mmx.show.colors import RGB, Look, Shades, legend, text_color_on
from mmx.show.figure import Figure, figure_of
from mmx.show.panels import Text, View
from mmx.show.plotting import plot_of, to_image
from mmx.show.style import own_style
from mmx.show.text import clean
from mmx.show.view import Pictures, view_block
from mmx.show.wording import number

if TYPE_CHECKING:
    from jinja2 import Environment

_QUALITY = 80
_FAINT = 0.05  # of the largest score: a paler chip would be the brightest thing on a dark page
_SHARP = 1.5  # picture pixels for one of the page
_LEGEND = (96, 13)
_SIZES = {"large": (560, 700), "card": (360, 480), "small": (240, 360)}  # on the page


def html_figure(explanations: Sequence[Explanation], look: Look | None = None) -> str:
    """One explanation, or methods side by side, as a `figure` element. Raises what `figure_of` does."""
    return _template("figure.html", figure_of(explanations, look))


def html_page(explanations: Sequence[Explanation], look: Look | None = None) -> str:
    """A whole document that can be mailed: everything inside it, light and dark, printable."""
    first, figure = explanations[0], figure_of(explanations, look)
    made = [f"{first.model.name} {first.model.revision}",
            ", ".join(f"{name} {version}" for name, version in first.versions.items())]
    return _template("page.html", figure, made=made)


def _template(name: str, figure: Figure, **more: Any) -> str:
    pictures = Pictures(figure.pictures)

    def source(view: View, size: str) -> str:
        with own_style():
            plot = plot_of(view_block(view, pictures, *(round(_SHARP * side) for side in _SIZES[size])), 0)
        return _url(to_image(plot))

    panels = [panel for row in figure.rows for panel in (row.plain, *row.panels) if panel]
    html = _environment().get_template(name).render(
        figure=figure, source=source, alone=len(panels) == 1 and figure.overview is None,
        crowded=figure.overview is not None and figure.overview.is_tagged, **more)
    return html.encode("utf-8", errors="replace").decode("utf-8")


@lru_cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters.update(line=clean, css=_css, chips=_chips, number=number, legend=_legend)
    return environment


def _chips(text: Text) -> list[tuple[str, str, str, str]]:
    """Of each word: the space before it, its score, the style that shades it, and itself."""
    chips = []
    for word, strength in zip(text.words, text.shades.strengths.tolist(), strict=True):
        fill = text.shades.colors.on_white(strength)
        shade = f"background:{_css(fill)};color:{_css(text_color_on(fill))}" if abs(strength) >= _FAINT else ""
        chips.append((" " if word.spaced and chips else "", f"{word.score:.3g}", shade, word.text))
    return chips


def _css(color: RGB) -> str:
    return f"rgb({','.join(map(str, color))})"


def _legend(shades: Shades) -> str:
    return _url(Image.fromarray(legend(shades.colors, *_LEGEND)), lossless=True)


def _url(image: Image.Image, **options: bool) -> str:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY, **options)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode('ascii')}"
