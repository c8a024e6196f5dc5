"""95 % intervals of everything in a row of results.

Saliency metrics take bootstrap intervals over the images, by percentiles: one rule for means,
for a ratio whose denominator may vanish, and for the AUC; it never leaves the statistic's own
range, and it needs no jackknife, which BCa does and which a constant sample breaks. Accuracy
takes Wilson's interval: it is a proportion, for which that closed form is known to be accurate,
and resampling would call a perfect score certain.

Every function returns plain floats for JSON, None for what is not defined or not finite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, rankdata

from scaat.statistics.resampling import (
    CONFIDENCE,
    RESAMPLES,
    TAILS,
    Array,
    bootstrap_distribution,
    estimate,
    ratio_estimate,
    resampled_means,
    resampled_ratios,
)


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
    if not len(curves):
        return {"value": unknown, "low": unknown, "high": unknown}
    mean = curves.mean(0)
    if len(curves) < 2:
        return {"value": mean.tolist(), "low": unknown, "high": unknown}
    low, high = np.quantile(resampled_means(curves.T, seed, resamples), TAILS, axis=-1)
    return {"value": mean.tolist(), "low": low.tolist(), "high": high.tolist()}


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
    n = len(numerator)
    value = ratio_of_means(numerator, denominator)
    if n < 2:
        return estimate(value, n) | {"unbounded": math.isinf(value)}
    # Two rows in one call: the same images are drawn for both.
    above, below = resampled_means(np.stack([numerator, denominator]), seed, resamples)
    return ratio_estimate(value, n, resampled_ratios(above, below))


def ratio_of_means(numerator: Array, denominator: Array) -> float:
    """Return the ratio of two means, infinite as in `resampled_ratios`."""
    return resampled_ratios(numerator.mean(keepdims=True), denominator.mean(keepdims=True)).item()


def auc_interval(
    scores: Array, positive: NDArray[np.bool_], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the area under the ROC curve and its bootstrap interval.

    Positives and negatives are resampled apart, so their numbers stay as they are.

    Args:
        scores: (n,), higher for the positive class; ties count half.
        positive: (n,), whether the image is of the positive class.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        ``value``, ``low``, ``high``, ``n``; all None but ``n`` where one class is missing, no
        interval where one of them has a single image.
    """
    groups = scores[positive], scores[~positive]
    smallest, n = min(map(len, groups)), len(scores)
    value = float(_auc(*groups)) if smallest else math.nan
    if smallest < 2:
        return estimate(value, n)
    return estimate(value, n, bootstrap_distribution(groups, _auc, seed, resamples, n))


def accuracy_interval(correct: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the share of correct predictions (n,) and its Wilson interval."""
    hits, n = int(correct.sum()), len(correct)
    interval = binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
    return estimate(hits / n, n) | {"low": float(interval.low), "high": float(interval.high)}


def _auc(positives: Array, negatives: Array, axis: int = -1) -> Array:
    """Return the Mann-Whitney statistic over n1 n0, along the last axis."""
    n1, n0 = positives.shape[-1], negatives.shape[-1]
    ranks = rankdata(np.concatenate([positives, negatives], axis=-1), axis=-1)
    area: Array = (ranks[..., :n1].sum(-1) - n1 * (n1 + 1) / 2) / (n1 * n0)
    return area
