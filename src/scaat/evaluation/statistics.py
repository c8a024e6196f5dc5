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
from scipy.stats import binomtest, bootstrap, rankdata

Array = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_BATCH = 2_000_000  # resampled numbers in memory at once


def mean_interval(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the mean of per-image values and its bootstrap interval.

    Args:
        values: (n,), n of 1 or more, finite.
        seed: of the resampling; one seed resamples the same images for every metric.
        resamples: number of resamples.

    Returns:
        ``value``, ``low``, ``high`` and ``n``; a single image has no interval, so None.
    """
    cell = _cell(values.mean(), len(values))
    if len(values) > 1:
        low, high = np.quantile(_resampled_means(values, seed, resamples), _TAILS)
        cell |= {"low": float(low), "high": float(high)}
    return cell


def curve_interval(curves: Array, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the mean curve (n, steps) over images, with an interval at each step.

    Returns:
        ``value``, ``low`` and ``high``: lists of ``steps`` numbers (None for a single image).
    """
    mean = curves.mean(0)
    if len(curves) < 2:
        unknown = [None] * len(mean)
        return {"value": mean.tolist(), "low": unknown, "high": unknown}
    low, high = np.quantile(_resampled_means(curves.T, seed, resamples), _TAILS, axis=-1)
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
        ``value`` (None where the denominator is 0), ``low``, ``high``, ``n``, ``unbounded``.
    """
    above, below = numerator.mean(), denominator.mean()
    cell = _cell(above / below if below != 0 else math.inf, len(numerator))
    cell["unbounded"] = False
    if len(numerator) > 1:
        # Two rows in one call: the same images are drawn for both.
        pairs = np.stack([numerator, denominator])
        above, below = _resampled_means(pairs, seed, resamples)
        limit = np.where(above > 0, math.inf, -math.inf)
        ratios = np.divide(above, below, out=limit, where=below > 0)
        # An observed value, not one interpolated between a finite and an infinite number.
        low, high = np.quantile(ratios, _TAILS, method="inverted_cdf")
        cell |= {"low": _finite(low), "high": _finite(high)}
        cell["unbounded"] = cell["low"] is None or cell["high"] is None
    elif cell["value"] is None:
        cell["unbounded"] = True
    return cell


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
    smallest = min(map(len, groups))
    cell = _cell(float(_auc(*groups)) if smallest else math.nan, len(scores))
    if smallest > 1:
        distribution = _bootstrap(groups, _auc, seed, resamples, len(scores))
        low, high = np.quantile(distribution, _TAILS)
        cell |= {"low": float(low), "high": float(high)}
    return cell


def accuracy_interval(correct: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the share of correct predictions (n,) and its Wilson interval."""
    hits, n = int(correct.sum()), len(correct)
    interval = binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
    cell = _cell(hits / n, n)
    return cell | {"low": float(interval.low), "high": float(interval.high)}


def _auc(positives: Array, negatives: Array, axis: int = -1) -> Array:
    """Return the Mann-Whitney statistic over n1 n0, along the last axis."""
    n1, n0 = positives.shape[-1], negatives.shape[-1]
    ranks = rankdata(np.concatenate([positives, negatives], axis=-1), axis=-1)
    area: Array = (ranks[..., :n1].sum(-1) - n1 * (n1 + 1) / 2) / (n1 * n0)
    return area


def _resampled_means(values: Array, seed: int, resamples: int) -> Array:
    """Return the bootstrap distribution (..., resamples) of the mean over the last axis."""
    return _bootstrap((values,), np.mean, seed, resamples, values.size)


def _bootstrap(
    samples: tuple[Array, ...], statistic: Any, seed: int, resamples: int, size: int
) -> Array:
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
    distribution: Array = result.bootstrap_distribution
    return distribution


def _cell(value: float, n: int) -> dict[str, Any]:
    return {"value": _finite(value), "low": None, "high": None, "n": n}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
