"""Several training seeds of one method as one estimate.

The interval resamples seeds, and images within each drawn seed. Of S seeds it draws S - 1 with
replacement (Rao & Wu 1988): drawing S would understate the variance between seeds by the factor
(S - 1) / S, a third of it at three seeds. Percentiles of few seeds stay rough whatever is drawn,
so the value of every seed is given too.
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
        by_seed: for each of two seeds or more its per-image values (n_s,). NaN marks an image
            that the metric is not defined for: it is left out.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        ``value``, ``low``, ``high``, ``n`` (images of all seeds), ``seeds`` and ``by_seed``, the
        mean of each.

    Raises:
        InputError: there are fewer than two seeds, or one has no image.
    """
    samples = [_float(values)[~np.isnan(values)][None] for values in by_seed]
    _check(samples)
    means = np.array([sample.mean() for sample in samples])
    distribution = _resampled(samples, seed, resamples)[0]
    return {
        **estimate(means.mean(), _count(samples), distribution),
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
        numerators: for each of two seeds or more its per-image values (n_s,), finite.
        denominators: the same for the denominator.
        seed: of the resampling.
        resamples: number of resamples.

    Returns:
        As `pooled_mean`, with ``unbounded``; a ``by_seed`` is None where it is not finite.

    Raises:
        InputError: there are fewer than two seeds, or the two differ in shape.
    """
    if [len(a) for a in numerators] != [len(b) for b in denominators]:
        raise InputError(
            "the numerators and denominators of a pooled ratio must be of the same images, found "
            f"{[len(a) for a in numerators]} and {[len(b) for b in denominators]}"
        )
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
    sizes = [[len(values) for values in part] for part in parts]
    if sizes[1:] != sizes[:-1]:
        raise InputError(
            "the four parts of a pooled difference of ratios must be of the same images, found "
            f"{' and '.join(map(str, sizes))}"
        )
    return _pooled_ratio(parts, seed, resamples)


def _pooled_ratio(parts: Sequence[Sequence[Array]], seed: int, resamples: int) -> dict[str, Any]:
    """Return `ratio_value` of the pooled means of two or four parts, each with a list of seeds."""
    samples = [np.stack([_float(v) for v in of_seed]) for of_seed in zip(*parts, strict=True)]
    _check(samples)
    means = [sample.mean(1, keepdims=True) for sample in samples]
    value = ratio_value(np.mean(means, axis=0))
    return {
        **ratio_estimate(value, _count(samples), _resampled(samples, seed, resamples)),
        "seeds": len(samples),
        "by_seed": [finite(ratio_value(mean)) for mean in means],
    }


def _resampled(samples: Sequence[Array], seed: int, resamples: int) -> Array:
    """Return the pooled means (rows, resamples) of samples (rows, n_s), one for each seed."""
    generator = np.random.default_rng(seed)
    pooled = np.empty((len(samples[0]), resamples))
    for draw in range(resamples):
        chosen = generator.integers(len(samples), size=len(samples) - 1)
        pooled[:, draw] = np.mean(
            [
                samples[i][
                    :, generator.integers(samples[i].shape[1], size=samples[i].shape[1])
                ].mean(1)
                for i in chosen
            ],
            axis=0,
        )
    return pooled


def _float(values: Array) -> Array:
    return np.asarray(values, dtype=np.float64)


def _count(samples: Sequence[Array]) -> int:
    return sum(sample.shape[1] for sample in samples)


def _check(samples: Sequence[Array]) -> None:
    sizes = [sample.shape[1] for sample in samples]
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(
            "pooling needs two training seeds or more with at least one image each, found "
            f"{len(sizes)} with {sizes} images"
        )
