"""A figure as HTML, for notebooks, saved pages and the web page: inline pictures, real text, no script.

A notebook or a page brings its own ground and text colour, so none is set but on what is shaded. The template escapes
all text.
"""

from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from mmx.results import Explanation
from mmx.show.colors import RGB, Look, Shades, legend, text_color_on
from mmx.show.figure import Figure, figure_of
from mmx.show.panels import Map, Text, View
from mmx.show.plotting import plot_of, to_image
from mmx.show.reading import FAINT, reading_of
from mmx.show.style import own_style
from mmx.show.text import clean
from mmx.show.view import Pictures, film_of, view_block
from mmx.show.wording import number

if TYPE_CHECKING:
    from jinja2 import Environment

_QUALITY = 80
_SHARP = 1.5  # picture pixels for one of the page
_FILM_PX = 224
_LEGEND = (96, 13)
_SIZES = {"large": (560, 700), "card": (360, 480), "small": (240, 360)}  # on the page


def html_figure(explanations: Sequence[Explanation], look: Look | None = None) -> str:
    """One explanation, or methods side by side, as a `figure` element. Raises what `figure_of` does."""
    return _template("figure.html", figure_of(explanations, look, every_word=True))


def html_page(explanations: Sequence[Explanation], look: Look | None = None) -> str:
    """A whole document that can be mailed: everything inside it, light and dark, printable."""
    first, figure = explanations[0], figure_of(explanations, look, every_word=True)
    made = [f"{first.model.name} {first.model.revision}",
            ", ".join(f"{name} {version}" for name, version in first.versions.items())]
    return _template("page.html", figure, made=made)


def _template(name: str, figure: Figure, **more: Any) -> str:
    paint, size = _Paint(Pictures(figure.pictures)), "large" if len(figure.columns) == 1 else "card"
    reading = None if figure.written is None else reading_of(
        figure, figure.written, partial(paint.whole, size=size), partial(paint.film, size=size), _SIZES[size])
    panels = [panel for row in figure.rows for panel in (row.plain, *row.panels) if panel]
    html = _environment().get_template(name).render(
        figure=figure, source=paint.whole, reading=reading, alone=len(panels) == 1 and figure.overview is None,
        crowded=figure.overview is not None and figure.overview.is_tagged, **more)
    return html.encode("utf-8", errors="replace").decode("utf-8")


class _Paint:
    """Views as URLs with their pictures inside, for a place of one of `_SIZES`."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def whole(self, view: View, size: str) -> str:
        with own_style():
            plot = plot_of(view_block(view, self._pictures, *self._room(size)), 0)
        return _url(to_image(plot))

    def film(self, view: View, size: str) -> str:
        """What lies over the picture alone: small where it is smooth, since the browser stretches it."""
        own = self._pictures.size(view.picture)
        are_cells = any(one.cells for one in view.layers if isinstance(one, Map))
        wide, high = self._room(size) if are_cells else (_FILM_PX, _FILM_PX)
        scale = min(wide / own[0], high / own[1])
        made = film_of(view.layers, own, (max(1, round(scale * own[0])), max(1, round(scale * own[1]))))
        return _url(made, lossless=are_cells)

    def _room(self, size: str) -> tuple[int, int]:
        width, height = _SIZES[size]
        return round(_SHARP * width), round(_SHARP * height)


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
        shade = f"background:{_css(fill)};color:{_css(text_color_on(fill))}" if abs(strength) >= FAINT else ""
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
