"""Means, areas, intervals and paired differences of accuracy curves."""

import numpy as np
import pytest

from mmx.metrics import area_under, bootstrap_mean, bootstrap_means
from mmx.studies.perturb.curves import Curves, keys_of
from mmx.studies.perturb.measures import ACCURACY
from mmx.studies.perturb.published import accuracy_warning

SHARES = (0.0, 0.5, 1.0)
KEYS = (("a", "image", "positive"), ("b", "image", "positive"), ("a", "text", "negative"))


def curves(count: int = 40) -> Curves:
    drawn = np.random.default_rng(0).integers(0, 11, (count, 3, 3)) / 10
    return Curves(ACCURACY, KEYS, {"image": SHARES, "text": SHARES}, np.rint(drawn * 1e6),
                  np.rint(drawn[:, 0, 0] * 1e6), tuple((number, str(number), "x") for number in range(count)))


def test_the_area_is_numpys_trapezoid_over_zero_to_one() -> None:
    shares, values = np.array([0, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95, 1]), np.random.default_rng(1).random((4, 9))
    trapezoid = getattr(np, "trapezoid", None) or np.trapz
    np.testing.assert_allclose(area_under(shares, values), trapezoid(values, shares, axis=-1), rtol=1e-12)
    assert area_under(np.array([0.2, 0.4]), np.array([0.5, 1.0])) == pytest.approx(0.75)


def test_columns_share_the_draws_of_a_single_mean() -> None:
    values = np.random.default_rng(2).integers(0, 100, (50, 2)).astype(float)
    rounds = bootstrap_means(values)
    for column in (0, 1):
        alone = bootstrap_mean(values[:, column])
        assert np.quantile(rounds[:, column], [0.025, 0.975]).tolist() == pytest.approx([alone.low, alone.high])
    difference = bootstrap_mean(values[:, 0] - values[:, 1])
    paired = np.quantile(rounds[:, 0] - rounds[:, 1], [0.025, 0.975])
    assert paired.tolist() == pytest.approx([difference.low, difference.high])
    with pytest.raises(ValueError, match="nothing"):
        bootstrap_means(values[:0])


def test_a_summary_by_hand() -> None:
    found, given = curves().summary(divisor=40), curves().values / 1e6
    panel = found["panels"]["image"]["positive"]
    assert panel["better"] == "lower" and found["panels"]["text"]["negative"]["better"] == "higher"
    assert panel["removed"] == list(SHARES) and list(panel["methods"]) == ["a", "b"]
    areas = area_under(np.array(SHARES), given[:, :2])
    for place, method in enumerate("ab"):
        assert panel["methods"][method]["auc"]["mean"] == pytest.approx(areas[:, place].mean())
        means = [step["mean"] for step in panel["methods"][method]["accuracy"]]
        assert means == pytest.approx(given[:, place].mean(axis=0).tolist())
    difference = bootstrap_mean(areas[:, 0] - areas[:, 1])
    assert panel["differences"]["a"]["b"] == pytest.approx(
        {"mean": difference.mean, "low": difference.low, "high": difference.high})
    assert panel["differences"]["b"]["a"]["low"] == pytest.approx(-panel["differences"]["a"]["b"]["high"])
    assert found["accuracy"]["mean"] == pytest.approx(given[:, 0, 0].mean())


def test_the_references_divisor_takes_the_place_of_the_count() -> None:
    exact, inflated = curves().summary(divisor=40), curves().summary(divisor=39)
    assert inflated["accuracy"]["mean"] == pytest.approx(exact["accuracy"]["mean"] * 40 / 39)


def test_threads_do_not_change_a_byte() -> None:
    """Sums of whole numbers are exact, whatever order a library adds them in."""
    mixed = curves()
    order = np.random.default_rng(3).permutation(40)
    turned = bootstrap_means(mixed.values.reshape(40, -1)[:, ::-1])[:, ::-1]
    assert np.array_equal(bootstrap_means(mixed.values.reshape(40, -1)), turned)
    assert mixed.values.reshape(40, -1)[order].sum(axis=0).tolist() == mixed.values.reshape(40, -1).sum(axis=0).tolist()


def test_one_curve_for_each_combination() -> None:
    keys = keys_of({"methods": ["a", "b"], "modalities": ["image", "text"], "signs": ["positive"]})
    assert keys == [("a", "image", "positive"), ("b", "image", "positive"), ("a", "text", "positive"),
                    ("b", "text", "positive")]


def test_a_known_checkpoint_that_answers_badly_is_told_of() -> None:
    bad, fine = {"mean": 0.2, "high": 0.3}, {"mean": 0.68, "high": 0.72}
    said = accuracy_warning("unc-nlp/lxmert-vqa-uncased", bad, 100)
    assert said is not None and "69.9 %" in said and "region features" in said and "void" in said
    assert accuracy_warning("unc-nlp/lxmert-vqa-uncased", fine, 100) is None
    assert accuracy_warning("unc-nlp/lxmert-vqa-uncased", bad, 5) is None
    assert accuracy_warning("shapes-lxmert", bad, 100) is None
