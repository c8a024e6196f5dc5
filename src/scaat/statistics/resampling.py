"""The bootstrap that every interval rests on, and the form in which an estimate is stored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

Array = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_BATCH = 2_000_000  # resampled numbers in memory at once


def bootstrap_distribution(
    samples: tuple[Array, ...], statistic: Any, seed: int, resamples: int, size: int
) -> Array:
    """Return the statistic (..., resamples) of resampled samples, each resampled on its own.

    ``size`` is how many numbers one resample holds; it bounds the memory.
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
    distribution: Array = result.bootstrap_distribution
    return distribution


def resampled_means(values: Array, seed: int, resamples: int) -> Array:
    """Return the bootstrap distribution (..., resamples) of the mean over the last axis.

    The rows of ``values`` are resampled together: the same images are drawn for all.
    """
    return bootstrap_distribution((values,), np.mean, seed, resamples, values.size)


def resampled_ratios(above: Array, below: Array) -> Array:
    """Return above / below, infinite where ``below`` is not positive, with the sign of ``above``.

    For AOPC such a resample lost nothing at all with the least relevant regions.
    """
    limit = np.where(above > 0, math.inf, -math.inf)
    ratios: Array = np.divide(above, below, out=limit, where=below > 0)
    return ratios


def estimate(value: float, n: int, distribution: Array | None = None) -> dict[str, Any]:
    """Return ``value``, ``low``, ``high`` and ``n`` as plain numbers; None if not finite.

    Without a distribution, for a single image, there is no interval.
    """
    low, high = (math.nan, math.nan) if distribution is None else np.quantile(distribution, TAILS)
    return {"value": finite(value), "low": finite(low), "high": finite(high), "n": n}


def ratio_estimate(
    value: float, n: int, lower: Array, upper: Array | None = None
) -> dict[str, Any]:
    """Return `estimate` with ``unbounded``: whether a limit falls among infinite resamples.

    ``lower`` and ``upper`` give the two limits; they differ where a resample is not determined.
    """
    upper = lower if upper is None else upper
    # An observed value, not one interpolated between a finite and an infinite number.
    low, high = (
        np.quantile(values, tail, method="inverted_cdf")
        for values, tail in zip((lower, upper), TAILS, strict=True)
    )
    found = estimate(value, n) | {"low": finite(low), "high": finite(high)}
    return found | {"unbounded": found["low"] is None or found["high"] is None}


def ratio_difference_estimate(value: float, n: int, means: Array) -> dict[str, Any]:
    """Return `ratio_estimate` of the difference of two `resampled_ratios`.

    ``means`` (4, resamples) holds the numerators and denominators of the one, then of the other.
    Where both are infinite their difference could be anything: it counts as minus infinite for
    the lower limit and as infinite for the upper one.
    """
    with np.errstate(invalid="ignore"):  # infinite less infinite
        differences = resampled_ratios(*means[:2]) - resampled_ratios(*means[2:])
    unknown = np.isnan(differences)
    return ratio_estimate(
        value,
        n,
        np.where(unknown, -math.inf, differences),
        np.where(unknown, math.inf, differences),
    )


def ratio_difference(left: float, right: float) -> float:
    """Return ``left - right``, NaN where neither ratio is finite."""
    return left - right if math.isfinite(left) or math.isfinite(right) else math.nan


def finite(value: float) -> float | None:
    """Return a plain float, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None
