"""Evaluation numbers against cases worked out by hand."""

import numpy as np
import pytest

from mmx.metrics import (
    at_centres,
    bootstrap_mean,
    centres_on_mask,
    intersection_over_union,
    pixel_precision,
    pointing_hit,
    relevance_map,
    relevance_mass,
    relevance_rank,
)

LEFT_HALF = np.zeros((10, 20), dtype=bool)
LEFT_HALF[:, :10] = True
BOXES = np.array([[0, 0, 10, 10], [10, 0, 20, 10]], dtype=float)


def test_bootstrap_interval_of_a_fair_coin_is_that_of_theory() -> None:
    found = bootstrap_mean(np.array([0.0, 1.0] * 200))
    assert found.mean == 0.5
    assert found.low == pytest.approx(0.5 - 1.96 * 0.5 / 20, abs=0.008)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.5 / 20, abs=0.008)


def test_bootstrap_is_the_same_every_time_and_certain_of_a_constant() -> None:
    values = np.arange(30.0)
    assert bootstrap_mean(values) == bootstrap_mean(values)
    constant = bootstrap_mean(np.full(5, 0.25))
    assert (constant.low, constant.high, constant.count) == (0.25, 0.25, 5)


def test_bootstrap_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        bootstrap_mean(np.array([]))


@pytest.mark.parametrize(("scores", "hit"), [([2, 1], 1.0), ([1, 2], 0.0), ([-2, -1], 0.0), ([0, 0], 0.5)])
def test_pointing_follows_the_best_region_and_splits_ties(scores: list[int], hit: float) -> None:
    assert pointing_hit(BOXES, np.array(scores), LEFT_HALF) == hit


def test_centres_at_the_very_edge_are_inside() -> None:
    assert centres_on_mask(np.array([[20, 10, 20, 10], [0, 0, 0, 0]], dtype=float), LEFT_HALF).tolist() == [False, True]


def test_relevance_map_takes_the_highest_score_and_keeps_its_sign() -> None:
    painted = relevance_map(np.array([[0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 1, 1]], dtype=float),
                            np.array([0.5, 2.0, -1.0]), (3, 3))
    assert painted.tolist() == [[0.5, 0.5, 0], [0.5, 2, 2], [0, 2, 2]]
    below = relevance_map(np.array([[0, 0, 2, 2], [1, 1, 3, 3]], dtype=float), np.array([-0.5, -2.0]), (3, 4))
    assert below.tolist() == [[-0.5, -0.5, 0, 0], [-0.5, -0.5, -2, 0], [0, -2, -2, 0]]


def test_evidence_against_is_the_last_in_rank_behind_no_evidence_and_no_part_of_mass() -> None:
    """Of four quarters 2, 0, -1 and -3, on masks of two of them: pixels in the order of their values."""
    relevance = np.repeat([[2.0, 0.0, -1.0, -3.0]], 3, axis=0)
    for columns, rank, mass in (((0, 1), 1.0, 1.0), ((0, 2), 0.5, 1.0), ((1, 2), 0.5, 0.0), ((2, 3), 0.0, 0.0)):
        mask = np.isin(np.arange(4), columns) & np.ones((3, 1), dtype=bool)
        assert (relevance_rank(relevance, mask), relevance_mass(relevance, mask)) == (rank, mass)


def test_scores_below_zero_cancel_those_of_other_grids_before_the_mass() -> None:
    boxes = np.array([[0, 0, 2, 1], [0, 0, 1, 1], [1, 0, 2, 1]], dtype=float)
    painted = relevance_map(boxes, np.array([-1.0, 3.0, 0.5]), (1, 2), np.array([0, 1, 1]))
    assert painted.tolist() == [[2.0, -0.5]]
    assert relevance_mass(painted, np.array([[True, False]])) == 1.0


def test_relevance_map_cuts_boxes_to_the_picture() -> None:
    painted = relevance_map(np.array([[-5, -5, 1, 1], [2, 2, 9, 9]], dtype=float), np.array([1.0, 3.0]), (3, 3))
    assert painted.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 3]]


def test_of_grids_that_lie_over_one_another_pixels_carry_the_sum() -> None:
    boxes = np.array([[0, 0, 3, 3], [0, 0, 2, 2], [1, 1, 3, 3]], dtype=float)
    painted = relevance_map(boxes, np.array([0.5, 1.0, 4.0]), (3, 3), np.array([0, 1, 1]))
    assert painted.tolist() == [[1.5, 1.5, 0.5], [1.5, 4.5, 4.5], [0.5, 4.5, 4.5]]
    assert at_centres(boxes, painted).tolist() == [4.5, 4.5, 4.5]


def test_mass_is_the_share_of_positive_relevance_on_the_mask() -> None:
    relevance = np.where(LEFT_HALF, 3.0, 1.0)
    assert relevance_mass(relevance, LEFT_HALF) == 0.75
    assert relevance_mass(np.where(LEFT_HALF, 3.0, -1.0), LEFT_HALF) == 1.0
    assert relevance_mass(np.zeros((10, 20)), LEFT_HALF) == 0.0


def test_rank_counts_the_mask_among_as_many_most_relevant_pixels() -> None:
    relevance = np.zeros((10, 20))
    relevance[:, 5:15] = 1  # a hundred pixels, half of them on the mask
    assert relevance_rank(relevance, LEFT_HALF) == 0.5
    assert relevance_rank(np.where(LEFT_HALF, 0.1, 0.0), LEFT_HALF) == 1.0


def test_rank_gives_ties_their_expected_share() -> None:
    assert relevance_rank(np.zeros((10, 20)), LEFT_HALF) == pytest.approx(0.5)
    relevance = np.zeros((10, 20))
    relevance[:, :5] = 1  # fifty surely right, the other fifty places drawn from 150 pixels of which 50 are right
    assert relevance_rank(relevance, LEFT_HALF) == pytest.approx((50 + 50 * 50 / 150) / 100)


def test_rank_of_an_empty_mask_is_zero() -> None:
    assert relevance_rank(np.ones((10, 20)), np.zeros((10, 20), dtype=bool)) == 0.0


def slow_pixel_precision(relevance: np.ndarray, mask: np.ndarray) -> float:
    """Over every threshold that there is: precision of what is at or over it, times the recall that it adds."""
    total, before = 0.0, 0.0
    for cut in sorted(set(relevance.ravel()), reverse=True):
        chosen = relevance >= cut
        recall = (chosen & mask).sum() / mask.sum()
        total, before = total + (recall - before) * (chosen & mask).sum() / chosen.sum(), recall
    return total


@pytest.mark.parametrize("seed", range(6))
def test_precision_of_pixels_is_that_of_every_threshold(seed: int) -> None:
    random = np.random.default_rng(seed)
    relevance, mask = random.normal(size=(7, 9)), random.random((7, 9)) < 0.3
    relevance = relevance.round(seed % 3)  # with ties
    assert pixel_precision(relevance, mask) == pytest.approx(slow_pixel_precision(relevance, mask), abs=1e-12)
    assert pixel_precision(mask.astype(float), mask) == 1
    assert pixel_precision(np.ones(mask.shape), mask) == pytest.approx(mask.mean())
    assert pixel_precision(relevance, np.zeros_like(mask)) == 0


def test_intersection_over_union_is_of_what_has_mean_relevance() -> None:
    mask = np.array([[True, True, False, False]])
    assert intersection_over_union(np.array([[3.0, 1.0, 1.0, -9.0]]), mask) == 0.5, "1.25 is the mean of 3, 1, 1, 0"
    assert intersection_over_union(np.array([[3.0, 2.0, 0.0, 0.0]]), mask) == 1
    assert intersection_over_union(np.ones((1, 4)), mask) == 0.5, "a constant map is the whole picture"
    assert intersection_over_union(np.array([[0.0, 0.0, 0.0, 1.0]]), mask) == 0
