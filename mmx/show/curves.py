"""Curves of the perturbation test by matplotlib: a panel for each modality and order, one legend for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot
    from matplotlib.lines import Line2D

# Okabe and Ito's colours without the yellow, which a white ground swallows, and with darker neighbours between them.
_COLORS = ("#005496", "#d55e00", "#008260", "#aa3c82", "#282828", "#c88c00", "#3c96d7")
_DASHES = ("-", (0, (6, 2.5)), (0, (1.5, 2)), (0, (8, 2.5, 1.5, 2.5)), (0, (3.5, 1.5)))
_MARKERS = "os^Dvx"
_INK, _GREY, _RULE = "#111827", "#626a78", "#dee1e6"
_DPI = 100
_WIDTH_IN, _HEIGHT_IN = 6.6, 4.6  # of a panel
_TITLE_IN, _LINE_IN = 0.6, 0.25
_LETTERS, _KEY_LETTERS, _TITLE_LETTERS = 78, 48, 36  # on a line as wide as a panel, of small print and so on
_STRONGEST_BAND, _FAINTEST_BAND, _BANDS = 0.2, 0.05, 0.7  # bands lie over each other and share what they hide
_STYLE = {
    "font.family": "DejaVu Sans", "font.size": 12, "text.parse_math": False, "text.color": _INK,
    "axes.edgecolor": _GREY, "axes.labelcolor": _GREY, "xtick.color": _GREY, "ytick.color": _GREY, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": _RULE, "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "lines.linewidth": 1.8, "lines.markersize": 6.5}


@dataclass(frozen=True)
class Curve:
    """Means with intervals at the shares removed; all in [0, 1]."""

    label: str
    xs: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """Curves of one kind under a heading, and which way is better."""

    heading: str
    direction: str
    x_label: str
    curves: tuple[Curve, ...]


def curves_figure(title: str, panels: Sequence[Panel], columns: int, small_print: Sequence[str]) -> Image.Image:
    """Panels in rows of `columns`, all on one scale, as an RGB picture."""
    plot = curves_plot(title, panels, columns, small_print)
    return Image.fromarray(np.asarray(plot.canvas.buffer_rgba())).convert("RGB")


def curves_plot(title: str, panels: Sequence[Panel], columns: int, small_print: Sequence[str]) -> "Plot":
    """The same as a figure of matplotlib, which saves itself as SVG and PDF too."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Plot
    from matplotlib.style import context

    looks = {label: look(number) for number, label in enumerate(dict.fromkeys(
        curve.label for panel in panels for curve in panel.curves))}
    small = [line for text in small_print for line in wrap(text, _LETTERS * columns)]
    heads, rows = wrap(title, _TITLE_LETTERS * columns), ceil(len(panels) / columns)
    names = ["\n".join(wrap(label, _KEY_LETTERS * columns)) for label in looks]
    keys = columns * (1 if max(map(len, looks)) > _KEY_LETTERS / 2 else 2)
    lines = ceil(len(looks) / keys) * max(1 + name.count("\n") for name in names)
    heights = [_TITLE_IN * len(heads), rows * _HEIGHT_IN, _LINE_IN * (lines + 1),
               _LINE_IN * (len(small) + 0.5)]
    with context(["default", _STYLE]):  # whatever the user's own settings are
        plot = Plot((columns * _WIDTH_IN, sum(heights)), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(plot)
        head, body, legend, foot = plot.subfigures(4, 1, height_ratios=heights, hspace=0)
        _write(head, heads, size=20, weight="bold", linespacing=1.3)
        _draw_panels(body, panels, rows, columns, looks)
        legend.legend(handles=[_line(name, one) for name, one in zip(names, looks.values(), strict=True)], ncols=keys,
                      loc="center left", frameon=False, handlelength=4.5, bbox_to_anchor=(_left(columns), 0.5),
                      borderaxespad=0)
        _write(foot, small, size=11, color=_GREY, linespacing=1.5)
        plot.canvas.draw()  # ticks come into being as they are drawn
    return plot


def look(number: int) -> dict[str, Any]:
    """Of the line with this number, from 0: colours, dashes and markers go round at different lengths, so that lines
    stay apart in grey."""
    color = _COLORS[number % len(_COLORS)]
    return {"color": color, "linestyle": _DASHES[number % len(_DASHES)], "marker": _MARKERS[number % len(_MARKERS)],
            "markerfacecolor": "white" if number % 2 else color}


def _draw_panels(body: Any, panels: Sequence[Panel], rows: int, columns: int, looks: Mapping[str, Any]) -> None:
    axes = body.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    height = rows * _HEIGHT_IN
    body.subplots_adjust(left=0.75 / _WIDTH_IN / columns, right=1 - 0.3 / _WIDTH_IN / columns, bottom=0.65 / height,
                         top=1 - 0.75 / height, wspace=0.14, hspace=0.42)
    for panel, place in zip(panels, axes, strict=False):
        _draw(place, panel, looks)
    for place in axes[len(panels):]:
        place.set_axis_off()


def _draw(axes: "Axes", panel: Panel, looks: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MultipleLocator, PercentFormatter

    axes.set_title(panel.direction, loc="left", size=12, color=_GREY)
    axes.annotate(panel.heading, (0, 1), (0, 24), "axes fraction", textcoords="offset points", size=14, weight="bold")
    axes.set_xlabel(panel.x_label)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=""))
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    axes.set_xlim(-0.015, 1.015)
    axes.tick_params(length=0, labelleft=True)
    alpha = min(_STRONGEST_BAND, max(_FAINTEST_BAND, _BANDS / len(panel.curves)))
    for curve in panel.curves:
        axes.fill_between(curve.xs, curve.low, curve.high, color=looks[curve.label]["color"], alpha=alpha, linewidth=0)
    for curve in panel.curves:
        axes.add_line(_line(curve.label, looks[curve.label], curve.xs, curve.mean))


def _line(label: str, one: Mapping[str, Any], xs: Sequence[float] = (), ys: Sequence[float] = ()) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D(xs, ys, label=label, clip_on=False, **one)


def _write(part: Any, lines: Sequence[str], **style: Any) -> None:
    columns = round(part.figure.get_figwidth() / _WIDTH_IN)
    part.text(_left(columns), 0.5, "\n".join(lines), va="center", **style)


def _left(columns: int) -> float:
    """Where text begins, as a share of the figure's width."""
    return 0.25 / _WIDTH_IN / columns
