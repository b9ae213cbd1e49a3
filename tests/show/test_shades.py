import numpy as np
import pytest

from mmx.show.colors import DIVERGING, INK, SEQUENTIAL, WHITE, luminance, rgb, shades_of, text_color_on


def test_known_ramp_gives_known_colors() -> None:
    ramp = SEQUENTIAL(np.array([0, 0.125, 0.25, 0.5, 0.75, 1]))
    halfway = [254, 242, 198]  # halves round to even
    assert ramp.tolist() == [[255, 255, 255], halfway, [254, 228, 140], [253, 168, 62], [236, 84, 38], [182, 10, 30]]
    assert ramp.dtype == np.uint8


def test_diverging_colors_meet_in_white() -> None:
    assert DIVERGING(np.array([-1.0, 0.0, 1.0])).tolist() == [[24, 72, 150], [255, 255, 255], [182, 16, 36]]


@pytest.mark.parametrize(("colormap", "sign"), [(SEQUENTIAL, 1), (DIVERGING, 1), (DIVERGING, -1)])
def test_stronger_is_darker_so_that_grey_print_keeps_the_order(colormap, sign) -> None:
    assert (np.diff(luminance(colormap(sign * np.linspace(0, 1, 21)))) < 0).all()


def test_positive_scores_are_divided_by_their_largest_and_zero_stays_zero() -> None:
    shades = shades_of(np.array([0.0, 1.0, 4.0]))
    assert shades.strengths.tolist() == [0.0, 0.25, 1.0]
    assert (shades.colormap, shades.largest) == (SEQUENTIAL, 4.0)


def test_constant_scores_are_all_strongest_not_stretched() -> None:
    assert shades_of(np.full(3, 0.2)).strengths.tolist() == [1.0, 1.0, 1.0]


def test_negative_scores_are_centred_on_zero() -> None:
    shades = shades_of(np.array([-4.0, 0.0, 2.0]))
    assert shades.strengths.tolist() == [-1.0, 0.0, 0.5]
    assert (shades.colormap, shades.largest) == (DIVERGING, 4.0)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_no_relevance_has_no_color(count: int) -> None:
    shades = shades_of(np.zeros(count))
    assert shades.strengths.tolist() == [0.0] * count
    assert shades.largest == 0.0
    assert (shades.colormap(shades.strengths) == 255).all()


@pytest.mark.parametrize("tiny", [1e-38, 5e-324])
def test_tiny_scores_scale_like_any_other(tiny: float) -> None:
    assert shades_of(np.array([0.0, tiny])).strengths.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        shades_of(np.array([0.0, bad]))


def test_text_stands_out_from_every_shade() -> None:
    assert text_color_on(WHITE) == INK
    assert text_color_on(rgb(SEQUENTIAL, 1.0)) == WHITE
    assert text_color_on(rgb(DIVERGING, -1.0)) == WHITE
    for strength in np.linspace(-1, 1, 41):
        fill = rgb(DIVERGING, strength)
        written = text_color_on(fill)
        assert abs(luminance(np.array(fill)) - luminance(np.array(written))) > 90
