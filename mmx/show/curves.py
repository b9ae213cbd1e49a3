"""Curves of the perturbation test by matplotlib: a panel for each modality and order.

A few curves share their panel, with bands and one legend for all; of more, each has small axes of its own, over the
others in grey.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot
    from matplotlib.lines import Line2D

# Okabe and Ito's colours without the yellow, which a white ground swallows, and with darker neighbours between them.
_COLORS = ("#005496", "#d55e00", "#008260", "#aa3c82", "#282828", "#c88c00", "#3c96d7")
_DASHES = ("-", (0, (6, 2.5)), (0, (1.5, 2)), (0, (8, 2.5, 1.5, 2.5)), (0, (3.5, 1.5)))
_MARKERS = "os^Dvx"
_INK, _GREY, _RULE, _OTHERS = "#111827", "#626a78", "#dee1e6", "#c3c8d0"
_DPI = 100
_WIDTH_IN, _HEIGHT_IN = 6.6, 4.6  # of a panel
_MOST_TOGETHER = 6
_SMALL_IN = (2.2, 1.75)  # width and height of the small axes
_HEADING_IN, _LABELS_IN = 0.75, 0.55  # over and under them
_TITLE_IN, _LINE_IN = 0.6, 0.25
# On a line as wide as a panel: of small print, legend and title; and as wide as small axes.
_LETTERS, _KEY_LETTERS, _TITLE_LETTERS, _SMALL_LETTERS = 78, 48, 36, 26
_STRONGEST_BAND, _FAINTEST_BAND, _BANDS = 0.2, 0.05, 0.7  # bands lie over each other and share what they hide
_STYLE = {
    "font.family": "DejaVu Sans", "font.size": 12, "text.parse_math": False, "text.color": _INK,
    "axes.edgecolor": _GREY, "axes.labelcolor": _GREY, "xtick.color": _GREY, "ytick.color": _GREY, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": _RULE, "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "lines.linewidth": 1.8, "lines.markersize": 6.5}


@dataclass(frozen=True)
class Curve:
    """Means with intervals at the shares removed; these are in [0, 1]."""

    label: str
    xs: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """Curves of one kind under a heading, and which way is better.

    Attributes:
        in_percent: means are shares, which are written in percent.
    """

    heading: str
    direction: str
    x_label: str
    curves: tuple[Curve, ...]
    in_percent: bool = True


def curves_plot(title: str, panels: Sequence[Panel], columns: int, small_print: Sequence[str]) -> "Plot":
    """Panels in rows of `columns`, those in one unit on one scale, as a figure of matplotlib."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Plot
    from matplotlib.style import context

    labels = [*dict.fromkeys(curve.label for panel in panels for curve in panel.curves)]
    looks = {label: look(number) for number, label in enumerate(labels)}
    heads = wrap(title, _TITLE_LETTERS * columns)
    small = [line for text in small_print for line in wrap(text, _LETTERS * columns)]
    together = len(labels) <= _MOST_TOGETHER
    middle = _together(panels, columns, looks) if together else _apart(panels, columns)
    heights = [_TITLE_IN * len(heads), *(part.height_in for part in middle), _LINE_IN * (len(small) + 0.5)]
    with context(["default", _STYLE]):  # whatever the user's own settings are
        plot = Plot((columns * _WIDTH_IN, sum(heights)), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(plot)
        strips = plot.subfigures(len(heights), 1, height_ratios=heights, hspace=0)
        assert isinstance(strips, np.ndarray)
        head, *parts, foot = strips
        _write(head, heads, size=20, weight="bold", linespacing=1.3)
        for part, place in zip(middle, parts, strict=True):
            part.draw(place)
        _write(foot, small, size=11, color=_GREY, linespacing=1.5)
        plot.canvas.draw()  # ticks come into being as they are drawn
    return plot


@dataclass(frozen=True)
class _Part:
    """A strip of the figure and what draws it."""

    height_in: float
    draw: Callable[[Any], None]


def _together(panels: Sequence[Panel], columns: int, looks: Mapping[str, Any]) -> list[_Part]:
    rows = ceil(len(panels) / columns)
    names = ["\n".join(wrap(label, _KEY_LETTERS * columns)) for label in looks]
    keys = columns * (1 if max(map(len, looks)) > _KEY_LETTERS / 2 else 2)
    lines = ceil(len(looks) / keys) * max(1 + name.count("\n") for name in names)

    def legend(part: Any) -> None:
        part.legend(handles=[_line(name, one) for name, one in zip(names, looks.values(), strict=True)], ncols=keys,
                    loc="center left", frameon=False, handlelength=4.5, bbox_to_anchor=(_left(columns), 0.5),
                    borderaxespad=0)

    return [_Part(rows * _HEIGHT_IN, lambda part: _draw_panels(part, panels, rows, columns, looks)),
            _Part(_LINE_IN * (lines + 1), legend)]


def _apart(panels: Sequence[Panel], columns: int) -> list[_Part]:
    across = round(columns * _WIDTH_IN / _SMALL_IN[0])
    return [_Part(ceil(len(panel.curves) / across) * _SMALL_IN[1] + _HEADING_IN + _LABELS_IN,
                  lambda part, panel=panel: _draw_apart(part, panel, across, columns)) for panel in panels]


def look(number: int) -> dict[str, Any]:
    """Of the line with this number, from 0: colours, dashes and markers go round at different lengths, so that lines
    stay apart in grey."""
    color = _COLORS[number % len(_COLORS)]
    return {"color": color, "linestyle": _DASHES[number % len(_DASHES)], "marker": _MARKERS[number % len(_MARKERS)],
            "markerfacecolor": "white" if number % 2 else color}


def _draw_panels(body: Any, panels: Sequence[Panel], rows: int, columns: int, looks: Mapping[str, Any]) -> None:
    axes = body.subplots(rows, columns, squeeze=False).flatten()
    first: dict[bool, Axes] = {}
    height = rows * _HEIGHT_IN
    body.subplots_adjust(left=0.75 / _WIDTH_IN / columns, right=1 - 0.3 / _WIDTH_IN / columns, bottom=0.65 / height,
                         top=1 - 0.75 / height, wspace=0.14, hspace=0.42)
    for panel, place in zip(panels, axes, strict=False):
        if first.setdefault(panel.in_percent, place) is not place:
            place.sharey(first[panel.in_percent])
        _draw(place, panel, looks)
    for place in axes[len(panels):]:
        place.set_axis_off()


def _draw_apart(part: Any, panel: Panel, across: int, columns: int) -> None:
    """Small axes, one for each curve, with the others in grey behind it."""
    rows = ceil(len(panel.curves) / across)
    width, height = columns * _WIDTH_IN, rows * _SMALL_IN[1] + _HEADING_IN + _LABELS_IN
    axes = part.subplots(rows, across, sharex=True, sharey=True, squeeze=False).flatten()
    part.subplots_adjust(left=0.6 / width, right=1 - 0.2 / width, bottom=_LABELS_IN / height,
                         top=1 - (_HEADING_IN + 0.3) / height, wspace=0.12, hspace=0.32)
    part.text(_left(columns), 1 - 0.12 / height, panel.heading, size=14, weight="bold", va="top")
    part.text(_left(columns), 1 - 0.42 / height, panel.direction, size=12, color=_GREY, va="top")
    part.text(0.5, 0.1 / height, panel.x_label, size=11, color=_GREY, ha="center")
    for number, (place, curve) in enumerate(zip(axes, panel.curves, strict=False)):
        _scale(place, panel.in_percent)
        place.tick_params(labelsize=9, labelbottom=number + across >= len(panel.curves))
        place.set_title("\n".join(wrap(curve.label, _SMALL_LETTERS)), loc="left", size=10.5)
        for other in panel.curves:
            place.plot(other.xs, other.mean, color=_OTHERS, linewidth=1, zorder=1)
        place.fill_between(curve.xs, curve.low, curve.high, color=_COLORS[0], alpha=_STRONGEST_BAND, linewidth=0,
                           zorder=2)
        place.plot(curve.xs, curve.mean, color=_COLORS[0], linewidth=2.2, zorder=3, label=curve.label)
    for place in axes[len(panel.curves):]:
        place.set_axis_off()


def _draw(axes: "Axes", panel: Panel, looks: Mapping[str, Any]) -> None:
    axes.set_title(panel.direction, loc="left", size=12, color=_GREY)
    axes.annotate(panel.heading, (0, 1), (0, 24), "axes fraction", textcoords="offset points", size=14, weight="bold")
    axes.set_xlabel(panel.x_label)
    _scale(axes, panel.in_percent)
    axes.tick_params(labelleft=True)
    alpha = min(_STRONGEST_BAND, max(_FAINTEST_BAND, _BANDS / len(panel.curves)))
    for curve in panel.curves:
        axes.fill_between(curve.xs, curve.low, curve.high, color=looks[curve.label]["color"], alpha=alpha, linewidth=0)
    for curve in panel.curves:
        axes.add_line(_line(curve.label, looks[curve.label], curve.xs, curve.mean))


def _scale(axes: "Axes", in_percent: bool) -> None:
    """What is removed is in percent, and what is followed where that is a share."""
    from matplotlib.ticker import MultipleLocator, PercentFormatter

    for axis in (axes.xaxis, axes.yaxis) if in_percent else (axes.xaxis,):
        axis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=""))
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    axes.set_xlim(-0.015, 1.015)
    axes.tick_params(length=0)


def _line(label: str, one: Mapping[str, Any], xs: Sequence[float] = (), ys: Sequence[float] = ()) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D(xs, ys, label=label, clip_on=False, **one)


def _write(part: Any, lines: Sequence[str], **style: Any) -> None:
    columns = round(part.figure.get_figwidth() / _WIDTH_IN)
    part.text(_left(columns), 0.5, "\n".join(lines), va="center", **style)


def _left(columns: int) -> float:
    """Where text begins, as a share of the figure's width."""
    return 0.25 / _WIDTH_IN / columns
