"""The figure of accuracy curves: lines apart in grey, everything inside, nothing twice."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from mmx.render.chart import Curve, Span, chart, span_of
from mmx.render.curves import Panel, curves_figure
from mmx.render.strokes import _between, _pieces, stroke

SIZE = (400, 300)


def curve(label: str, level: float, spread: float = 0.02) -> Curve:
    return Curve(label, (0, 0.5, 1), (level,) * 3, (level - spread,) * 3, (level + spread,) * 3)


def dark_rows(picture: Image.Image, number: int) -> np.ndarray:
    """Rows in which there is much of a stroke's colour."""
    near = np.abs(np.asarray(picture).astype(int) - stroke(number).color).sum(axis=2) < 60
    return np.flatnonzero(near.sum(axis=1) > 60)


def test_a_line_stands_where_its_means_are() -> None:
    span = Span(0, 1, 0.2)
    low, high = (chart([curve("a", level)], {"a": stroke(0)}, span, SIZE, "x") for level in (0.25, 0.75))
    assert dark_rows(high, 0).mean() < dark_rows(low, 0).mean()
    plot = SIZE[1] - 62 - 14
    assert dark_rows(low, 0).mean() - dark_rows(high, 0).mean() == pytest.approx(0.5 * (plot - 14), abs=2)


def test_markers_at_the_ends_are_whole() -> None:
    picture = np.asarray(chart([curve("a", 1.0, 0)], {"a": stroke(0)}, Span(0, 1, 0.2), SIZE, "x")).astype(int)
    near = np.abs(picture - stroke(0).color).sum(axis=2) < 60
    columns = near.sum(axis=0)
    rows = near.sum(axis=1).nonzero()[0]
    assert columns.max() >= 9 and rows.max() - rows.min() >= 9


@pytest.mark.parametrize(("low", "high", "expected"), [
    (0, 1, (0, 1, 0.2)), (0.31, 0.52, (0.3, 0.55, 0.05)), (0.5, 0.5, (0.5, 0.52, 0.02)), (0.9, 1, (0.9, 1, 0.02)),
])
def test_the_scale_has_round_ends_and_holds_everything(low: float, high: float, expected: tuple) -> None:
    span = span_of([Curve("a", (0, 1), (low, high), (low, low), (high, high))])
    assert (span.low, span.high, span.step) == pytest.approx(expected)
    assert span.low <= low + 1e-9 and span.high >= high - 1e-9 and len(span.ticks) <= 9


def test_strokes_differ_without_colour() -> None:
    """Two of the first twelve lines never share dash and marker both."""
    looks = [(one.dash, one.marker, one.hollow) for one in map(stroke, range(12))]
    assert len(set(looks)) == 12
    assert all(one != other for one, other in combinations([stroke(number).color for number in range(7)], 2))


def test_dashes_cover_a_line_in_turn() -> None:
    assert _pieces([(0, 0), (10, 0)], []) == [[(0, 0), (10, 0)]]
    pieces = _pieces([(0, 0), (5, 0), (5, 5)], [4, 2])
    assert pieces[0] == [(0, 0), (4, 0)] and pieces[1] == [(5, 1), (5, 5)]
    assert _pieces([(1, 1), (1, 1)], [4, 2]) == [[(1, 1), (1, 1)]]
    path, along = np.array([[0.0, 0], [3, 0], [3, 3]]), np.array([0.0, 3, 6])
    assert _between(path, along, 2, 4) == [(2, 0), (3, 0), (3, 1)]


@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_figure_has_every_panel_and_one_legend(count: int) -> None:
    curves = tuple(curve(f"method number {number}", 0.2 + 0.05 * number) for number in range(count))
    panel = Panel("Regions removed, most relevant first", "lower is better", "regions removed, %", curves)
    one, four = (curves_figure("Title", [panel] * panels, min(2, panels), ["small print"]) for panels in (1, 4))
    assert four.width > 2 * one.width - 200 and four.height > one.height + 400
    assert len(set(np.asarray(four)[:20].reshape(-1, 3).tolist()[0])) == 1
