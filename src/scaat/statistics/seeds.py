"""Several training seeds of one method as one estimate.

The interval resamples seeds, and images within each. Of S seeds it draws S - 1 (Rao & Wu 1988):
drawing S would understate the variance between seeds by the factor (S - 1) / S.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scaat.errors import InputError
from scaat.statistics.intervals import (
    RESAMPLES,
    Array,
    estimate,
    finite,
    ratio_estimate,
    ratio_value,
)


def pooled_mean(
    by_seed: Sequence[Array], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the mean over training seeds of the mean over images, and its interval.

    Args:
        by_seed: Of each of two seeds or more the per-image values (n_s,); NaN is left out.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        ``value``, ``low``, ``high``, ``n`` (images of all seeds), ``seeds`` and ``by_seed``, the
        mean of each, since percentiles of few seeds are rough.

    Raises:
        InputError: There are fewer than two seeds, or one has no image.
    """
    samples = [np.asarray(v, dtype=np.float64)[~np.isnan(v)][None] for v in by_seed]
    n, distribution = _resampled(samples, seed, resamples)
    means = np.array([sample.mean() for sample in samples])
    return {
        **estimate(means.mean(), n, distribution[0]),
        "seeds": len(samples),
        "by_seed": means.tolist(),
    }


def pooled_ratio(
    numerators: Sequence[Array],
    denominators: Sequence[Array],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the ratio of two means pooled over training seeds, and its interval.

    It is the ratio of the pooled means, not the mean of the seeds' ratios, which one seed with a
    denominator near 0 would rule. Value and resamples are infinite as in `ratio_interval`.

    Args:
        numerators: Of each of two seeds or more the per-image values (n_s,), finite.
        denominators: The same of the denominator.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        As `pooled_mean`, with ``unbounded``; a ``by_seed`` is None where it is not finite.

    Raises:
        InputError: There are fewer than two seeds, or the two differ in shape.
    """
    return _pooled_ratio((numerators, denominators), seed, resamples)


def pooled_ratio_difference(
    numerators: Sequence[Array],
    denominators: Sequence[Array],
    other_numerators: Sequence[Array],
    other_denominators: Sequence[Array],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the difference of two pooled ratios over the same seeds and images.

    Each ratio is as in `pooled_ratio`; seeds and images are drawn for both alike. The difference
    of two pooled means is the `pooled_mean` of the differences, image by image.

    Args:
        numerators: for each of two seeds or more its per-image values (n_s,), finite.
        denominators: the same for the denominator.
        other_numerators: of the other method, the same seeds and images in the same order.
        other_denominators: the same for its denominator.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        As `pooled_ratio`; where both ratios are infinite in a resample their difference is
        unknown, as in `paired_ratio_difference`, and None among ``by_seed``.

    Raises:
        InputError: there are fewer than two seeds, or the four differ in shape.
    """
    parts = (numerators, denominators, other_numerators, other_denominators)
    return _pooled_ratio(parts, seed, resamples)


def _pooled_ratio(parts: Sequence[Sequence[Array]], seed: int, resamples: int) -> dict[str, Any]:
    """Return `ratio_value` of the pooled means of two or four parts, each with a list of seeds."""
    sizes = [[len(values) for values in part] for part in parts]
    if sizes[1:] != sizes[:-1]:
        raise InputError(
            "the parts of pooled ratios must be of the same images, found "
            f"{' and '.join(map(str, sizes))}"
        )
    samples = [np.stack(of_seed, dtype=np.float64) for of_seed in zip(*parts, strict=True)]
    n, distribution = _resampled(samples, seed, resamples)
    means = [sample.mean(1, keepdims=True) for sample in samples]
    value = ratio_value(np.mean(means, axis=0))
    return {
        **ratio_estimate(value, n, distribution),
        "seeds": len(samples),
        "by_seed": [finite(ratio_value(mean)) for mean in means],
    }


def _resampled(samples: Sequence[Array], seed: int, resamples: int) -> tuple[int, Array]:
    """Return how many images samples (rows, n_s) of each seed have, and their resampled means.

    The means are (rows, resamples).
    """
    sizes = [sample.shape[1] for sample in samples]
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(
            "pooling needs two training seeds or more with at least one image each, found "
            f"{len(sizes)} with {sizes} images"
        )
    generator = np.random.default_rng(seed)
    pooled = np.empty((len(samples[0]), resamples))
    for draw in range(resamples):
        chosen = generator.integers(len(samples), size=len(samples) - 1)
        means = [samples[i][:, generator.integers(sizes[i], size=sizes[i])].mean(1) for i in chosen]
        pooled[:, draw] = np.mean(means, axis=0)
    return sum(sizes), pooled
