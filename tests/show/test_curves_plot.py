"""The figure of accuracy curves: lines apart in grey, everything inside, the same bytes every time."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from mmx.show.curves import Curve, Panel, curves_plot, look
from mmx.show.plotting import to_image


def curve(label: str, level: float, spread: float = 0.02) -> Curve:
    return Curve(label, (0, 0.5, 1), (level,) * 3, (level - spread,) * 3, (level + spread,) * 3)


def panel(*curves: Curve) -> Panel:
    return Panel("Regions removed, most relevant first", "lower is better", "regions removed, %", curves)


def near(picture: Image.Image, number: int) -> np.ndarray:
    """Where there is a line's colour: the fully covered pixels."""
    color = tuple(bytes.fromhex(look(number)["color"][1:]))
    return np.abs(np.asarray(picture).astype(int) - color).sum(axis=2) < 60


def test_a_line_stands_where_its_means_are() -> None:
    plot = curves_plot("t", [panel(curve("a", 0.25), curve("b", 0.75))], 1, [])
    axes = plot.subfigs[1].axes[0]
    picture = Image.fromarray(np.asarray(plot.canvas.buffer_rgba())).convert("RGB")
    for number, level in enumerate((0.25, 0.75)):
        x, y = axes.transData.transform((0, level))
        rows = np.flatnonzero(near(picture, number)[:, round(x) - 3:round(x) + 4].any(axis=1))
        rows = rows[rows < picture.height - axes.get_window_extent().y0]  # above the legend
        assert rows.mean() == pytest.approx(picture.height - y, abs=2)


def test_all_panels_are_on_one_scale() -> None:
    plot = curves_plot("t", [panel(curve("a", 0.2)), panel(curve("a", 0.8))], 2, [])
    first, second = plot.subfigs[1].axes
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[0] < 0.18 and first.get_ylim()[1] > 0.82


def test_lines_differ_without_colour() -> None:
    """No two of the first twelve share dashes, marker and filling; the first seven have a colour of their own."""
    looks = [look(number) for number in range(12)]
    forms = {(one["linestyle"], one["marker"], one["markerfacecolor"] == "white") for one in looks}
    assert len(forms) == 12
    assert all(one["color"] != other["color"] for one, other in combinations(looks[:7], 2))


def test_bands_grow_faint_with_many_curves() -> None:
    few, many = (curves_plot("t", [panel(*(curve(str(number), 0.5) for number in range(count)))], 1, [])
                 for count in (2, 6))
    alphas = [plot.subfigs[1].axes[0].collections[0].get_alpha() for plot in (few, many)]
    assert alphas[0] > 1.5 * alphas[1] > 0


def test_many_curves_have_small_axes_of_their_own() -> None:
    labels = [f"method {number}" for number in range(12)]
    levels = {label: 0.2 + 0.05 * number for number, label in enumerate(labels)}
    panels = [panel(*(curve(label, levels[label]) for label in labels))] * 2
    plot = curves_plot("t", panels, 2, [])
    _, *parts, _ = plot.subfigs
    assert len(parts) == 2
    for part in parts:
        assert [text.get_text() for text in part.texts][:2] == [panels[0].heading, panels[0].direction]
        axes = part.axes
        assert [one.get_title(loc="left") for one in axes] == labels
        assert len({one.get_ylim() for one in axes}) == 1
        for one in axes:
            strong = [line for line in one.lines if line.get_label() == one.get_title(loc="left")]
            assert len(strong) == 1 and len(one.lines) == 13 and set(strong[0].get_ydata()) == {
                levels[strong[0].get_label()]}
            assert len(one.collections) == 1  # its band
            box = one.title.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= plot.bbox.x1 + 1


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_figure_has_every_panel_and_one_legend(count: int) -> None:
    curves = [curve(f"method number {number}", 0.2 + 0.05 * number) for number in range(count)]
    one, four = (to_image(curves_plot("Title", [panel(*curves)] * panels, min(2, panels), ["small"]))
                 for panels in (1, 4))
    assert four.width == 2 * one.width and four.height > one.height + 300
    assert (np.asarray(four)[:, :10] == 255).all() and (np.asarray(four)[:, -10:] == 255).all()
    legend = curves_plot("Title", [panel(*curves)] * 4, 2, []).subfigs[2].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [one.label for one in curves]


def test_everything_that_is_told_is_inside_the_figure() -> None:
    plot = curves_plot("a long title " * 12, [panel(curve("a" * 60, 0.5))], 1, ["word " * 60, "more"])
    texts = [text for part in (plot.subfigs[0], plot.subfigs[3]) for text in part.texts]
    texts += plot.subfigs[2].legends[0].get_texts()
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= plot.bbox.x1 and box.y1 <= plot.bbox.y1


def test_dollars_are_no_formulas() -> None:
    plot = curves_plot("$x$ costs $5", [panel(curve("$y$", 0.5))], 1, ["$z$"])
    legend = plot.subfigs[2].legends[0].get_texts()
    assert not any(text.get_parse_math() for text in (*plot.subfigs[0].texts, *plot.subfigs[3].texts, *legend))


def test_bytes_are_the_same_whatever_the_user_has_set() -> None:
    from matplotlib import rc_context

    figure = to_image(curves_plot("t", [panel(curve("a", 0.5))], 1, ["x"]))
    with rc_context({"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9}):
        assert to_image(curves_plot("t", [panel(curve("a", 0.5))], 1, ["x"])).tobytes() == figure.tobytes()


def test_nothing_of_pyplot_is_loaded() -> None:
    code = ("import sys; from mmx.show.curves import *; "
            "curves_plot('t', [Panel('h', 'd', 'x', (Curve('a', (0, 1), (1, 0), (1, 0), (1, 0)),))], 1, []); "
            "sys.exit('matplotlib.pyplot' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
