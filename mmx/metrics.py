"""Evaluation numbers as pure functions: arrays in, numbers out.

Where scores may be below zero, as those of signed methods, pointing and rank take them as they are, the most positive
first: no relevance is more than evidence against. Mass counts what is positive alone.
"""

from dataclasses import dataclass

import numpy as np

from mmx.arrays import Bool, Float, Int, Shaped

BOOTSTRAP_ROUNDS = 2000
_ROUNDS_AT_ONCE = 100


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % bootstrap interval, `low` to `high`, over `count` samples."""

    mean: float
    low: float
    high: float
    count: int


def bootstrap_mean(values: Shaped[np.ndarray, " n"], seed: int = 0) -> Estimate:
    """The mean of `values` and its 95 % percentile interval (Efron 1979); n of 0 is a ValueError."""
    if len(values) == 0:
        raise ValueError("there is nothing to take a mean of")
    random = np.random.default_rng(seed)
    means = np.concatenate([values[random.integers(len(values), size=(_ROUNDS_AT_ONCE, len(values)))].mean(axis=1)
                            for _ in range(BOOTSTRAP_ROUNDS // _ROUNDS_AT_ONCE)])
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def bootstrap_means(values: Shaped[np.ndarray, "n columns"], seed: int = 0) -> Float[np.ndarray, "rounds columns"]:
    """Means of every column of `values` over resampled rows.

    All columns share the draws, which are those of `bootstrap_mean`: a difference of two columns is a paired one.
    Whole numbers are summed up exactly, in whatever order a library adds them.
    """
    count, random = len(values), np.random.default_rng(seed)
    if count == 0:
        raise ValueError("there is nothing to take a mean of")
    found = []
    for _ in range(BOOTSTRAP_ROUNDS // _ROUNDS_AT_ONCE):
        drawn = random.integers(count, size=(_ROUNDS_AT_ONCE, count))
        cells = drawn + count * np.arange(_ROUNDS_AT_ONCE)[:, None]
        times = np.bincount(cells.ravel(), minlength=_ROUNDS_AT_ONCE * count).reshape(_ROUNDS_AT_ONCE, count)
        found.append(times.astype(values.dtype) @ values / count)
    return np.concatenate(found)


def area_under(shares: Float[np.ndarray, " steps"],
               values: Shaped[np.ndarray, "*curves steps"]) -> Float[np.ndarray, "*curves"] | np.floating:
    """Area under a curve by trapezoids: the mean of `values` over the `shares` they stand at.

    For shares from 0 to 1 it is `numpy.trapezoid(values, shares)`, the AUC that the paper's author names; for others
    it is divided by how far they reach.
    """
    widths = np.diff(shares)
    return ((values[..., 1:] + values[..., :-1]) / 2 * widths).sum(axis=-1) / widths.sum()


def pointing_hit(boxes_xyxy_px: Shaped[np.ndarray, "n 4"], scores: Shaped[np.ndarray, " n"],
                 mask: Bool[np.ndarray, "height width"]) -> float:
    """Pointing game (Zhang et al. 2016): 1 if the centre of the best scored box lies on the mask, else 0.

    The best is the most positive, and where all are below zero the one nearest to it.
    Equally scored best boxes share the point, so that an explanation without relevance scores like chance.
    """
    on_mask = centres_on_mask(boxes_xyxy_px, mask)
    return float(on_mask[scores == scores.max()].mean())


def centres_on_mask(boxes_xyxy_px: Shaped[np.ndarray, "n 4"],
                    mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, " n"]:
    """Which boxes have their centre on the mask."""
    return at_centres(boxes_xyxy_px, mask)


def at_centres(boxes_xyxy_px: Shaped[np.ndarray, "n 4"],
               pixels: Shaped[np.ndarray, "height width"]) -> Shaped[np.ndarray, " n"]:
    """What of a picture lies at the centre of each box."""
    xs = ((boxes_xyxy_px[:, 0] + boxes_xyxy_px[:, 2]) / 2).astype(int).clip(0, pixels.shape[1] - 1)
    ys = ((boxes_xyxy_px[:, 1] + boxes_xyxy_px[:, 3]) / 2).astype(int).clip(0, pixels.shape[0] - 1)
    return pixels[ys, xs]


def relevance_map(boxes_xyxy_px: Shaped[np.ndarray, "n 4"], scores: Shaped[np.ndarray, " n"],
                  size: tuple[int, int],
                  grids: Int[np.ndarray, " n"] | None = None) -> Float[np.ndarray, "height width"]:
    """Pixels carry the highest score of the boxes over them, beside them all 0; `size` is height and width.

    Args:
        grids: the number of the grid that each box is a patch of, where several grids lie over one another: then pixels
            carry the sum of what they have of each.
    """
    grids = np.zeros(len(scores), dtype=int) if grids is None else grids
    return sum((_painted(boxes_xyxy_px[grids == number], scores[grids == number], size) for number in np.unique(grids)),
               np.zeros(size))


def _painted(boxes_xyxy_px: np.ndarray, scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The highest of a grid's scores, or of regions', over each pixel; 0 where there is none."""
    painted = np.full(size, -np.inf)
    for (left, top, right, bottom), score in zip(boxes_xyxy_px.round().astype(int), scores, strict=True):
        window = painted[max(top, 0):bottom, max(left, 0):right]
        np.maximum(window, score, out=window)
    return np.where(np.isneginf(painted), 0.0, painted)


def relevance_mass(relevance: Float[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"]) -> float:
    """Share of the positive relevance that lies on the mask (Arras, Osman & Samek 2022, eq. 2); 0 if there is none."""
    positive = relevance.clip(min=0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else 0.0


def relevance_rank(relevance: Float[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"]) -> float:
    """Of the K most relevant pixels, K being the mask's size, the share on the mask (ibid., eq. 3).

    By their values as they are, those below zero last. Pixels of equal relevance at the cut count by their share of
    the places that are left.
    """
    wanted = int(mask.sum())
    if wanted == 0:
        return 0.0
    cut = np.partition(relevance.ravel(), relevance.size - wanted)[relevance.size - wanted]
    above, level = relevance > cut, relevance == cut
    places = wanted - int(above.sum())
    return float((mask[above].sum() + places * mask[level].mean()) / wanted)


def pixel_precision(relevance: Float[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"]) -> float:
    """Average precision of pixels, the most relevant first, that are to be those of the mask; 0 of an empty one.

    The sum over thresholds of precision times growth of recall. Pixels of equal relevance are taken together, so a
    constant map has the mask's share of all pixels.

    Source:
        The segmentation test of Chefer, Gur & Wolf 2021 (arXiv 2012.09838), section 4.
    """
    wanted = int(mask.sum())
    if wanted == 0:
        return 0.0
    order = np.argsort(-relevance, axis=None, kind="stable")
    levels, hits = relevance.ravel()[order], np.cumsum(mask.ravel()[order])
    ends = np.append(np.flatnonzero(levels[1:] != levels[:-1]), len(levels) - 1)
    return float((np.diff(hits[ends], prepend=0) * (hits[ends] / (ends + 1))).sum() / wanted)


def intersection_over_union(relevance: Float[np.ndarray, "height width"],
                            mask: Bool[np.ndarray, "height width"]) -> float:
    """IoU of a mask with what has at least mean relevance, as in the segmentation test of `pixel_precision`.

    What is below zero counts as nothing. A constant map is all of the picture.
    """
    positive = relevance.clip(min=0)
    found = positive >= positive.mean(dtype=np.float64)
    either = int((found | mask).sum())
    return float((found & mask).sum() / either) if either else 0.0
