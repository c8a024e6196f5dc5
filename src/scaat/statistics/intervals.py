"""95 % intervals over images: of one model, and of the difference of two on the same images.

Saliency metrics take bootstrap percentile intervals over the images: one rule for means, for a
ratio whose denominator may vanish, and for the AUC. It never leaves the range of the statistic, and
it needs no jackknife, which BCa does and a constant sample breaks. Accuracy takes Wilson's
interval: it is a proportion, for which that closed form is accurate, and resampling would call a
perfect score certain.

Most of the variance between images is common to two models (a hard image is hard for both), so the
interval of the paired difference is narrower than two separate intervals suggest.

Every function returns plain floats for JSON, None for what is not defined or not finite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap, norm, rankdata

from scaat.errors import InputError

Array = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_BATCH = 2_000_000  # resampled numbers in memory at once


def bootstrap_distribution(
    samples: tuple[Array, ...], statistic: Any, seed: int, resamples: int, size: int
) -> Array:
    """Return the statistic (..., resamples) of samples, each resampled on its own.

    ``size``, how many numbers one resample holds, bounds the memory.
    """
    result = bootstrap(
        tuple(np.asarray(sample, dtype=np.float64) for sample in samples),
        statistic,
        axis=-1,
        vectorized=True,
        n_resamples=resamples,
        method="percentile",
        batch=max(1, _BATCH // size),
        random_state=np.random.default_rng(seed),
    )
    return np.asarray(result.bootstrap_distribution)


def resampled_means(values: Array, seed: int, resamples: int) -> Array:
    """Return the mean over the last axis of resamples, (..., resamples): the same for all rows."""
    return bootstrap_distribution((values,), np.mean, seed, resamples, values.size)


def resampled_ratios(above: Array, below: Array) -> Array:
    """Return above / below, infinite where ``below`` is not positive, with the sign of ``above``.

    For AOPC such a resample lost nothing at all with the least relevant regions.
    """
    limit = np.where(above > 0, math.inf, -math.inf)
    ratios: Array = np.divide(above, below, out=limit, where=below > 0)
    return ratios


def estimate(value: float, n: int, distribution: Array | None = None) -> dict[str, Any]:
    """Return ``value``, ``low``, ``high`` and ``n``; no interval without a distribution."""
    low, high = (math.nan, math.nan) if distribution is None else np.quantile(distribution, TAILS)
    return {"value": finite(value), "low": finite(low), "high": finite(high), "n": n}


def ratio_estimate(value: float, n: int, means: Array) -> dict[str, Any]:
    """Return `estimate` with ``unbounded``: whether a limit falls among infinite resamples."""
    # An observed value, not one interpolated between a finite and an infinite number.
    low, high = (
        np.quantile(values, tail, method="inverted_cdf")
        for values, tail in zip(ratio_limits(means), TAILS, strict=True)
    )
    computed = estimate(value, n) | {"low": finite(low), "high": finite(high)}
    return computed | {"unbounded": computed["low"] is None or computed["high"] is None}


def ratio_value(means: Array) -> float:
    """Return the ratio of two means (2, 1), or the difference of two ratios (4, 1).

    NaN where neither of the two is finite.
    """
    first, *second = (float(resampled_ratios(*pair).item()) for pair in _pairs(means))
    if not second:
        return first
    return first - second[0] if math.isfinite(first) or math.isfinite(second[0]) else math.nan


def ratio_limits(means: Array) -> tuple[Array, Array]:
    """Return the least and the greatest that `ratio_value` may be in each of (2 or 4, resamples).

    The difference of two infinite ratios could be anything.
    """
    first, *second = (resampled_ratios(*pair) for pair in _pairs(means))
    if not second:
        return first, first
    with np.errstate(invalid="ignore"):  # infinite less infinite
        differences = first - second[0]
    unknown = np.isnan(differences)
    return np.where(unknown, -math.inf, differences), np.where(unknown, math.inf, differences)


def _pairs(means: Array) -> list[Array]:
    return [means[row : row + 2] for row in range(0, len(means), 2)]


def finite(value: float) -> float | None:
    """Return a plain float, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def mean_interval(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the mean of per-image values and its bootstrap interval.

    Args:
        values: (n,). NaN marks an image that the metric is not defined for: it is left out.
        seed: of the resampling; one seed resamples the same images for every metric.
        resamples: number of resamples.

    Returns:
        ``value``, ``low``, ``high`` and ``n``, the number of images behind the mean. A single
        image has no interval, so None; no image has no mean either.
    """
    values = values[~np.isnan(values)]
    n = len(values)
    if n < 2:
        return estimate(values[0] if n else math.nan, n)
    return estimate(values.mean(), n, resampled_means(values, seed, resamples))


def curve_interval(curves: Array, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the mean curve (n, steps) over images, with an interval at each step.

    An image with a NaN in its curve is left out.

    Returns:
        ``value``, ``low`` and ``high``: lists of ``steps`` numbers (None for a single image).
    """
    curves = curves[~np.isnan(curves).any(1)]
    unknown = [None] * curves.shape[1]
    mean = curves.mean(0).tolist() if len(curves) else unknown
    if len(curves) < 2:
        return {"value": mean, "low": unknown, "high": unknown}
    low, high = np.quantile(resampled_means(curves.T, seed, resamples), TAILS, axis=-1)
    return {"value": mean, "low": low.tolist(), "high": high.tolist()}


def ratio_interval(
    numerator: Array, denominator: Array, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the ratio of the means of two values of the same images, and its interval.

    A resample whose denominator is not positive counts as infinite (as minus infinite where its
    numerator is not positive either): for AOPC, nothing at all was lost with the least
    relevant regions. A limit that falls among these is None and ``unbounded`` is true, which is
    so once the interval of the denominator reaches down to 0.

    Args:
        numerator: (n,), finite.
        denominator: (n,), finite, for the same images in the same order.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        ``value`` (None where the denominator is not positive), ``low``, ``high``, ``n``,
        ``unbounded``.
    """
    return _ratio_interval(np.stack([numerator, denominator]), seed, resamples)


def _ratio_interval(rows: Array, seed: int, resamples: int) -> dict[str, Any]:
    """Return the interval of `ratio_value` over images; ``rows`` is (2, n) or (4, n)."""
    n = rows.shape[1]
    value = ratio_value(rows.mean(1, keepdims=True))
    if n < 2:
        return estimate(value, n) | {"unbounded": not math.isfinite(value)}
    # All rows in one call: the same images are drawn for each.
    return ratio_estimate(value, n, resampled_means(rows, seed, resamples))


def auc_interval(
    scores: Array, positive: NDArray[np.bool_], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the area under the ROC curve and its bootstrap interval.

    Positives and negatives are resampled apart, so their numbers stay as they are.

    Args:
        scores: (n,), higher for the positive class; ties count half.
        positive: (n,), whether the image is of the positive class.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        ``value``, ``low``, ``high``, ``n``; no interval where a class has one image, and no value
        where it has none.
    """
    groups = scores[positive], scores[~positive]
    smallest, n = min(map(len, groups)), len(scores)
    value = float(_auc(*groups)) if smallest else math.nan
    if smallest < 2:
        return estimate(value, n)
    return estimate(value, n, bootstrap_distribution(groups, _auc, seed, resamples, n))


def average_precision_interval(
    scores: Array, positive: NDArray[np.bool_], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the average precision, as a mean over labels, and its bootstrap interval.

    A label without positives in a resample of the images is left out of its mean.

    Args:
        scores: (n, labels), higher where a label is present; ties have one threshold.
        positive: (n, labels), whether it is; each label is in one image at least.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        ``value``, ``low``, ``high``, ``n``.
    """
    n, rng = len(scores), np.random.default_rng(seed)
    batch = max(1, _BATCH // n)
    sizes = [min(batch, resamples - done) for done in range(0, resamples, batch)]
    counts = (rng.multinomial(n, np.full(n, 1 / n), size) for size in sizes)
    drawn = np.concatenate([_average_precision(each, scores, positive) for each in counts])
    value = float(_average_precision(np.ones((1, n)), scores, positive)[0])
    return estimate(value, n, drawn[np.isfinite(drawn)])


def _average_precision(counts: NDArray[Any], scores: Array, positive: NDArray[np.bool_]) -> Array:
    """Return the mean over labels (resamples,), each image drawn ``counts`` times."""
    areas = []
    for score, present in zip(scores.T, positive.T, strict=True):
        order = np.argsort(-score)
        last = np.searchsorted(-score[order], -score[order], side="right") - 1
        drawn = counts[:, order]
        hits = drawn * present[order]
        precision = hits.cumsum(1)[:, last] / np.maximum(drawn.cumsum(1)[:, last], 1)
        areas.append(np.ma.divide((hits * precision).sum(1), hits.sum(1)))
    mean: Array = np.ma.stack(areas).mean(0).filled(math.nan)
    return mean


def accuracy_interval(correct: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the fraction of correct predictions (n,) and its Wilson interval."""
    hits, n = int(correct.sum()), len(correct)
    interval = binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
    return estimate(hits / n, n) | {"low": float(interval.low), "high": float(interval.high)}


def _auc(positives: Array, negatives: Array, axis: int = -1) -> Array:
    """Return the Mann-Whitney statistic over n1 n0, along the last axis."""
    n1, n0 = positives.shape[-1], negatives.shape[-1]
    ranks = rankdata(np.concatenate([positives, negatives], axis=-1), axis=-1)
    area: Array = (ranks[..., :n1].sum(-1) - n1 * (n1 + 1) / 2) / (n1 * n0)
    return area


def paired_difference(
    values: Array, other: Array, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the mean of ``values - other`` and its bootstrap interval over the images.

    Args:
        values: (n,), NaN for an image without one.
        other: (n,), of the same images in the same order, under the same random pixels.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        ``value``, ``low``, ``high`` and ``n``, the images with both values.

    Raises:
        InputError: The two are not of as many images.
    """
    _check_paired(values, other)
    # Float64 first: the difference of two float32 values loses what the pair has in common.
    difference = np.subtract(values, other, dtype=np.float64)
    return mean_interval(difference, seed, resamples)


def paired_ratio_difference(
    numerator: Array,
    denominator: Array,
    other_numerator: Array,
    other_denominator: Array,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the difference of two ratios of means over the same images, and its interval.

    A ratio is infinite as in `ratio_interval`. Where both are in a resample their difference
    could be anything: it counts as minus infinite for the lower limit and as infinite for the
    upper one.

    Args:
        numerator: (n,), finite.
        denominator: (n,), finite.
        other_numerator: (n,), finite.
        other_denominator: (n,), finite; all four of the same images in the same order.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        ``value``, ``low``, ``high``, ``n`` and ``unbounded``.

    Raises:
        InputError: the four are not of as many images.
    """
    parts = (numerator, denominator, other_numerator, other_denominator)
    for part in parts[1:]:
        _check_paired(numerator, part)
    return _ratio_interval(np.stack(parts), seed, resamples)


def paired_auc_difference(
    scores: Array, other: Array, positive: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return the difference of two areas under the ROC curve and its interval.

    The interval is normal, with DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988, by the
    ranks of Sun and Xu 2014): resampling would sort all images again for each resample.

    Args:
        scores: (n,), finite, higher for the positive class; ties count half.
        other: (n,), of the same images in the same order.
        positive: (n,), whether the image is of the positive class.

    Returns:
        ``value``, ``low``, ``high`` and ``n``; all None but ``n`` where one class is missing, no
        interval where one of them has a single image.

    Raises:
        InputError: the three are not of as many images.
    """
    _check_paired(scores, other)
    _check_paired(scores, positive)
    smallest = min(positive.sum(), (~positive).sum())
    if smallest < 1:
        return estimate(math.nan, len(scores))
    placements = [_placements(values, positive) for values in (scores, other)]
    differences = [mine - theirs for mine, theirs in zip(*placements, strict=True)]
    value = float(differences[0].mean())
    if smallest < 2:
        return estimate(value, len(scores))
    variance = sum(values.var(ddof=1) / len(values) for values in differences)
    half = float(norm.ppf(TAILS[1]) * math.sqrt(variance))
    return estimate(value, len(scores)) | {"low": value - half, "high": value + half}


def auc_parts(scores: Array, positive: NDArray[np.bool_]) -> Array:
    """Return for each image the part that it has in the area under the ROC curve.

    Their mean is the area and their variance over n is DeLong's (his placements, each class
    weighed by how rare it is), so the area can be paired and pooled like a mean over images.

    Args:
        scores: (n,), finite, higher for the positive class; ties count half.
        positive: (n,), whether the image is of the positive class.

    Returns:
        float64 (n,); all NaN where one class is missing.

    Raises:
        InputError: The two are not of as many images.
    """
    _check_paired(scores, positive)
    n, parts = len(scores), np.full(len(scores), math.nan)
    if not 0 < positive.sum() < n:
        return parts
    for of_class, placements in zip(
        (positive, ~positive), _placements(scores, positive), strict=True
    ):
        area = placements.mean()
        parts[of_class] = area + (placements - area) * (n / of_class.sum())
    return parts


def _placements(scores: Array, positive: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return each positive image's fraction of negatives below it, and the other way round."""
    above, below = scores[positive], scores[~positive]
    ranks = rankdata(np.concatenate([above, below]))
    return (
        (ranks[: len(above)] - rankdata(above)) / len(below),
        1 - (ranks[len(above) :] - rankdata(below)) / len(above),
    )


def _check_paired(values: Array, other: NDArray[Any]) -> None:
    if values.shape != other.shape or values.ndim != 1 or not len(values):
        raise InputError(
            "a paired comparison needs one value of both for each image, found arrays of shape "
            f"{values.shape} and {other.shape}"
        )
