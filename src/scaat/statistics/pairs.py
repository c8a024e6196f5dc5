"""Two models on the same images: differences taken image by image.

Most of the variance between images is common to two models (a hard image is hard for both), so
the interval of the difference is narrower than two separate intervals suggest, and it alone says
whether the two are told apart.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from scaat.errors import InputError
from scaat.statistics.intervals import mean_interval, ratio_of_means
from scaat.statistics.resampling import (
    RESAMPLES,
    TAILS,
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


def paired_auc_difference(
    scores: Array, other: Array, positive: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return the difference of two areas under the ROC curve and its interval.

    The interval is normal, with DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988, by the
    ranks of Sun and Xu 2014): resampling would sort all images anew for each resample.

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
    found = [_placements(values, positive) for values in (scores, other)]
    differences = [mine - theirs for mine, theirs in zip(*found, strict=True)]
    value = float(differences[0].mean())
    if smallest < 2:
        return estimate(value, len(scores))
    variance = sum(values.var(ddof=1) / len(values) for values in differences)
    half = float(norm.ppf(TAILS[1]) * math.sqrt(variance))
    return estimate(value, len(scores)) | {"low": value - half, "high": value + half}


def auc_parts(scores: Array, positive: NDArray[np.bool_]) -> Array:
    """Return for each image the part that it has in the area under the ROC curve.

    Their mean is the area, and their variance over n is DeLong's of the area (his placements,
    each class weighed by how rare it is), so the area can be resampled, paired and pooled as a mean
    over images can.

    Args:
        scores: (n,), finite, higher for the positive class; ties count half.
        positive: (n,), whether the image is of the positive class.

    Returns:
        float64 (n,); all NaN where one class is missing.

    Raises:
        InputError: the two are not of as many images.
    """
    _check_paired(scores, positive)
    n, found = len(scores), np.full(len(scores), math.nan)
    if not 0 < positive.sum() < n:
        return found
    for of_class, placements in zip(
        (positive, ~positive), _placements(scores, positive), strict=True
    ):
        area = placements.mean()
        found[of_class] = area + (placements - area) * (n / of_class.sum())
    return found


def _placements(scores: Array, positive: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return for each positive image the share of negatives below it, and the other way round."""
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
