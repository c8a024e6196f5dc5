"""Two models on the same images: differences taken image by image.

Most of the variance between images is common to two models (a hard image is hard for both), so
the interval of the difference is narrower than two separate intervals suggest, and it alone says
whether the two are told apart.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scaat.errors import InputError
from scaat.statistics.intervals import mean_interval, ratio_of_means
from scaat.statistics.resampling import (
    RESAMPLES,
    Array,
    estimate,
    ratio_difference,
    ratio_difference_estimate,
    resampled_means,
)


def paired_difference(
    values: Array, other: Array, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the mean of ``values - other`` and its bootstrap interval over the images.

    Args:
        values: (n,), one value for each image. NaN marks an image without one.
        other: (n,), of the same images in the same order, under the same random pixels.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        ``value``, ``low``, ``high`` and ``n``, the images with both values.

    Raises:
        InputError: the two are not of as many images.
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
    n = len(numerator)
    value = ratio_difference(
        ratio_of_means(numerator, denominator),
        ratio_of_means(other_numerator, other_denominator),
    )
    if n < 2:
        return estimate(value, n) | {"unbounded": not math.isfinite(value)}
    means = resampled_means(np.stack(parts), seed, resamples)
    return ratio_difference_estimate(value, n, means)


def _check_paired(values: Array, other: Array) -> None:
    if values.shape != other.shape or values.ndim != 1 or not len(values):
        raise InputError(
            "a paired comparison needs one value of both for each image, found arrays of shape "
            f"{values.shape} and {other.shape}"
        )
