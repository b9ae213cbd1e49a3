"""Scores become strengths, and strengths known colours over known grounds."""

import numpy as np
import pytest

from mmx.errors import UsageError
from mmx.show.colors import (
    DISTINCT,
    DIVERGING,
    INK,
    SEQUENTIAL,
    WHITE,
    Colors,
    Look,
    colormap,
    legend,
    luminance,
    shades_of,
    text_color_on,
)

POSITIVE, SIGNED = Colors(SEQUENTIAL), Colors(DIVERGING, signed=True)
HALF = 0.5  # an alpha for which colours are known
ROUNDING = 1  # of a colour that is mixed in 8 bits
KNOWN = [
    (255, [[255, 255, 255], [255, 250, 233], [254, 228, 196], [247, 185, 166], [218, 132, 142]]),
    (128, [[165, 165, 165], [182, 177, 160], [192, 166, 133], [194, 132, 113], [173, 87, 97]]),
    (0, [[73, 73, 73], [108, 103, 86], [129, 103, 70], [140, 78, 59], [128, 42, 52]])]
KNOWN_SIGNED = [
    (255, [[140, 164, 202], [213, 229, 243], [255, 255, 255], [252, 223, 213], [218, 136, 146]]),
    (128, [[94, 118, 157], [150, 167, 180], [165, 165, 165], [189, 161, 150], [173, 90, 100]]),
    (0, [[49, 73, 112], [87, 104, 117], [73, 73, 73], [126, 98, 87], [128, 45, 55]])]


def grounds(level: int, count: int) -> np.ndarray:
    return np.full((count, 3), level, dtype=np.uint8)


def test_known_ramp_gives_known_colors() -> None:
    ramp = POSITIVE.at(np.array([0, 0.125, 0.25, 0.5, 0.75, 1]))
    between = [254, 241, 197]
    assert ramp.tolist() == [[255, 255, 255], between, [254, 228, 140], [253, 168, 62], [236, 84, 38], [182, 10, 30]]
    assert ramp.dtype == np.uint8


def test_diverging_colors_meet_in_white() -> None:
    assert SIGNED.at(np.array([-1.0, 0.0, 1.0])).tolist() == [[24, 72, 150], [255, 255, 255], [182, 16, 36]]


@pytest.mark.parametrize(("level", "known"), KNOWN)
def test_known_ramp_over_known_grounds_gives_known_colors(level: int, known: list[list[int]]) -> None:
    colors = Colors(SEQUENTIAL, alpha=HALF)
    found = colors.over(grounds(level, 5), np.linspace(0, 1, 5))
    assert found.dtype == np.uint8 and found == pytest.approx(np.array(known), abs=ROUNDING)


@pytest.mark.parametrize(("level", "known"), KNOWN_SIGNED)
def test_signs_are_told_apart_and_zero_leaves_the_pale_ground(level: int, known: list[list[int]]) -> None:
    found = Colors(DIVERGING, signed=True, alpha=HALF).over(grounds(level, 5), np.linspace(-1, 1, 5))
    assert found == pytest.approx(np.array(known), abs=ROUNDING)
    assert (found[2] == POSITIVE.over(grounds(level, 1), np.zeros(1))[0]).all()


def test_the_strongest_colour_covers_as_alpha_says() -> None:
    """Alpha of (182, 10, 30), and the rest of the ground, of which 0.28 is its own colour and 0.72 a pale grey."""
    own = np.array([40, 90, 160])
    grey = 0.299 * 40 + 0.587 * 90 + 0.114 * 160
    pale = 0.28 * own + 0.72 * (grey + 0.4 * (255 - grey))
    for alpha in (0, HALF, POSITIVE.alpha, 1):
        expected = (1 - alpha) * pale + alpha * np.array([182, 10, 30])
        assert Colors(SEQUENTIAL, alpha=alpha).over(own, np.array(1.0)) == pytest.approx(expected, abs=ROUNDING)
        assert Colors(SEQUENTIAL, alpha=alpha).over(own, np.array(0.0)).tolist() == pale.round().tolist()
    assert pale.round().tolist() == [121, 135, 154]
    assert 0.5 < POSITIVE.alpha < 0.8  # the colour is known, and so is what lies under it


def test_a_strength_beyond_the_scale_is_that_of_its_end() -> None:
    beyond, ends = (SIGNED.over(grounds(128, 2), np.array([-end, end])) for end in (1.5, 1.0))
    assert (beyond == ends).all()


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_words_stand_on_what_a_white_picture_has(strength: float) -> None:
    assert [*POSITIVE.on_white(strength)] == POSITIVE.over(np.array(WHITE), np.array(strength)).tolist()


@pytest.mark.parametrize("colors", [POSITIVE, SIGNED, Colors("viridis"), Colors("coolwarm", signed=True)])
def test_stronger_is_never_fainter(colors: Colors) -> None:
    """It hides more of its ground."""
    for sign in (1, -1) if colors.signed else (1,):
        strengths = sign * np.linspace(0, 1, 21)
        bright, dark = (colors.over(grounds(level, 21), strengths).astype(int) for level in (255, 0))
        assert (np.diff(bright - dark, axis=0) < 0).all()


@pytest.mark.parametrize("level", [255, 192, 128])
@pytest.mark.parametrize(("colors", "sign"), [(POSITIVE, 1), (SIGNED, 1), (SIGNED, -1)])
def test_stronger_stands_out_more(colors: Colors, sign: int, level: int) -> None:
    found = colors.over(grounds(level, 11), sign * np.linspace(0, 1, 11)).astype(int)
    distances = np.linalg.norm(found - found[0], axis=1)
    assert (np.diff(distances) > -ROUNDING / 2).all() and (np.diff(distances[::2]) > 0).all()


@pytest.mark.parametrize(("colors", "sign"), [(POSITIVE, 1), (SIGNED, 1), (SIGNED, -1)])
def test_stronger_is_darker_so_that_grey_print_keeps_the_order(colors: Colors, sign: int) -> None:
    strengths = sign * np.linspace(0, 1, 21)
    assert (np.diff(luminance(colors.at(strengths))) < 0).all()
    assert (np.diff(luminance(colors.over(grounds(255, 21), strengths))) < 0).all()


@pytest.mark.parametrize("colors", [POSITIVE, SIGNED])
def test_a_legend_shows_the_ramp_over_white_to_black(colors: Colors) -> None:
    shown = legend(colors, 5, 256)
    assert shown.shape == (256, 5, 3) and shown.dtype == np.uint8
    for row, level in ((0, 255), (127, 128), (255, 0)):
        assert shown[row].tolist() == colors.over(grounds(level, 5), np.linspace(colors.low, 1, 5)).tolist()


def test_positive_scores_are_divided_by_their_largest_and_zero_stays_zero() -> None:
    shades = shades_of(np.array([0.0, 1.0, 4.0]))
    assert shades.strengths.tolist() == [0.0, 0.25, 1.0]
    assert (shades.colors, shades.largest, shades.ends) == (POSITIVE, 4.0, (0.0, 4.0))


def test_constant_scores_are_all_strongest_not_stretched() -> None:
    assert shades_of(np.full(3, 0.2)).strengths.tolist() == [1.0, 1.0, 1.0]


def test_negative_scores_are_centred_on_zero() -> None:
    shades = shades_of(np.array([-4.0, 0.0, 2.0]))
    assert shades.strengths.tolist() == [-1.0, 0.0, 0.5]
    assert (shades.colors, shades.largest, shades.ends) == (SIGNED, 4.0, (-4.0, 4.0))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_no_relevance_has_no_color(count: int) -> None:
    shades = shades_of(np.zeros(count))
    assert shades.strengths.tolist() == [0.0] * count
    assert shades.largest == 0.0 and not shades.negligible
    assert (shades.colors.over(grounds(255, count), shades.strengths) == 255).all()


@pytest.mark.parametrize(("dtype", "score"), [
    ("float32", 1e-20), ("bfloat16", 1e-20), ("float16", 1e-4), ("float64", 1e-37), ("float64", 1e-200)])
@pytest.mark.parametrize("sign", [1, -1])
def test_small_scores_scale_like_any_other(dtype: str, score: float, sign: int) -> None:
    shades = shades_of(np.array([0.0, sign * score]), dtype)
    assert shades.strengths.tolist() == [0.0, sign] and not shades.negligible


@pytest.mark.parametrize(("dtype", "score"), [
    ("float32", 1e-37), ("bfloat16", 1e-37), ("float16", 5.9e-8), ("float64", 5e-324)])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_has_underflowed_in_its_dtype_has_no_color(dtype: str, score: float, sign: int) -> None:
    shades = shades_of(np.array([0.0, sign * score, score / 2]), dtype)
    assert shades.negligible and shades.largest == score and not shades.strengths.any()
    shades = shades_of(np.array([sign * score, 1.0]), dtype)  # beside a score that is more than noise
    assert not shades.negligible and shades.strengths[1] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        shades_of(np.array([0.0, bad]))


def test_a_look_is_what_scores_are_drawn_in() -> None:
    shades = shades_of(np.array([-1.0, 1.0]), look=Look("coolwarm", 0.5))
    assert shades.colors == Colors("coolwarm", signed=True, alpha=0.5)
    assert shades_of(np.array([0.0, 1.0]), look=Look("viridis")).colors.at(1.0).tolist() == [253, 231, 37]
    assert shades_of(np.ones(1), look=Look(alpha=0)).colors.alpha == 0  # and not mmx's own
    middle = Colors("coolwarm", signed=True).at(0.0).tolist()
    assert middle == (np.array(colormap("coolwarm")(0.5))[:3] * 255).round().tolist()


@pytest.mark.parametrize(("look", "said"), [
    ({"alpha": 1.5}, "An alpha of 1.5 makes no sense. It is from 0 to 1"), ({"alpha": -0.1}, "alpha of -0.1"),
    ({"alpha": float("nan")}, "alpha of nan"), ({"cmap": "nope"}, "matplotlib has no colour map 'nope'"),
    ({"cmap": ""}, "matplotlib has no colour map ''")])
def test_a_look_that_makes_no_sense_is_refused(look: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Look(**look)


def test_text_stands_out_from_every_shade() -> None:
    assert text_color_on(WHITE) == INK
    assert text_color_on(POSITIVE.pure(1.0)) == text_color_on(SIGNED.pure(-1.0)) == WHITE
    for colors in (POSITIVE, SIGNED):
        for strength in np.linspace(colors.low, 1, 41):
            for fill in (colors.pure(strength), colors.on_white(strength)):
                assert contrast(fill, text_color_on(fill)) > 3
    assert all(contrast(color, text_color_on(color)) > 3 for color in DISTINCT)


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Of WCAG 2.1, from 1 to 21."""
    def light(color: tuple[int, int, int]) -> float:
        share = np.array(color) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055)**2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["viridis", "tab10", "coolwarm", SEQUENTIAL])
def test_a_colour_map_is_matplotlibs_in_every_place(name: str) -> None:
    places = np.append(np.linspace(0, 1, 997), [1 - 1e-12, 1e-12, 0.1, 0.3, 0.7])
    expected = (colormap(name)(places)[:, :3] * 255).round().astype(np.uint8)
    assert (Colors(name).at(places) == expected).all()
    assert (Colors(name, signed=True).at(2 * places - 1) == (colormap(name)((2 * places - 1 + 1) / 2)[:, :3] * 255
                                                            ).round().astype(np.uint8)).all()
