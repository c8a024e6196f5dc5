from __future__ import annotations

import math

import numpy as np
import pytest

from scaat.errors import InputError
from scaat.statistics import (
    pooled_mean,
    pooled_ratio,
    pooled_ratio_difference,
)


def seeds(
    deviation: float, count: int = 4, images: int = 50, mean: float = 1.0
) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    centres = mean + generator.normal(0, deviation, count)
    return [generator.normal(centre, 0.1, images + i) for i, centre in enumerate(centres)]


def test_value_is_the_mean_of_the_seeds_whatever_their_images() -> None:
    found = pooled_mean([np.array([0.0, 2.0]), np.array([4.0, 4.0, 4.0, np.nan])], resamples=100)
    assert found["value"] == 2.5
    assert found["by_seed"] == [1.0, 4.0]
    assert (found["n"], found["seeds"]) == (5, 2)


def test_variance_is_the_unbiased_one_between_seeds() -> None:
    # Constant within a seed: only the seeds vary, and s / sqrt(S) is the textbook error.
    centres = np.random.default_rng(1).normal(0, 1, 12)
    found = pooled_mean([np.full(3, centre) for centre in centres], resamples=20_000)
    width = 2 * 1.96 * centres.std(ddof=1) / math.sqrt(12)
    assert found["high"] - found["low"] == pytest.approx(width, rel=0.06)


def test_seeds_that_differ_widen_the_interval() -> None:
    alike, apart = pooled_mean(seeds(0.0)), pooled_mean(seeds(0.5))
    assert apart["high"] - apart["low"] > 4 * (alike["high"] - alike["low"])
    assert alike["low"] < alike["value"] < alike["high"]


def test_one_seed_resamples_alike() -> None:
    assert pooled_mean(seeds(0.1), seed=3) == pooled_mean(seeds(0.1), seed=3)
    assert pooled_mean(seeds(0.1), seed=3) != pooled_mean(seeds(0.1), seed=4)


def test_ratio_is_that_of_the_pooled_means() -> None:
    above, below = seeds(0.1, mean=6.0), seeds(0.1, mean=2.0)
    found = pooled_ratio(above, below)
    expected = np.mean([a.mean() for a in above]) / np.mean([b.mean() for b in below])
    assert found["value"] == pytest.approx(expected)
    assert found["by_seed"] == pytest.approx(
        [a.mean() / b.mean() for a, b in zip(above, below, strict=True)]
    )
    assert found["low"] < found["value"] < found["high"]
    assert found["unbounded"] is False


def test_ratio_over_nothing_is_unbounded() -> None:
    above = [np.ones(5), np.ones(5)]
    found = pooled_ratio(above, [np.zeros(5), np.ones(5)], resamples=200)
    assert found["value"] == 2.0
    assert found["by_seed"] == [None, 1.0]
    assert (found["low"], found["high"], found["unbounded"]) == (1.0, None, True)


def test_ratio_difference_is_that_of_the_pooled_ratios() -> None:
    parts = [seeds(0.1, mean=mean) for mean in (6.0, 2.0, 3.0, 4.0)]
    found = pooled_ratio_difference(*parts)
    first, second = pooled_ratio(*parts[:2]), pooled_ratio(*parts[2:])
    assert found["value"] == pytest.approx(first["value"] - second["value"])
    expected = [a - b for a, b in zip(first["by_seed"], second["by_seed"], strict=True)]
    assert found["by_seed"] == pytest.approx(expected)
    assert (found["n"], found["seeds"]) == (first["n"], 4)
    assert found["low"] < found["value"] < found["high"]


def test_ratio_difference_is_a_naive_bootstrap_of_seeds_and_images() -> None:
    parts = [seeds(0.2, mean=mean) for mean in (6.0, 2.0, 3.0, 4.0)]
    generator, naive = np.random.default_rng(7), []
    for _ in range(3000):
        means = []
        for s in generator.integers(4, size=3):  # one seed fewer than there are
            image = generator.integers(len(parts[0][s]), size=len(parts[0][s]))
            means.append([part[s][image].mean() for part in parts])
        a, b, c, d = np.mean(means, axis=0)
        naive.append(a / b - c / d)
    low, high = np.quantile(naive, (0.025, 0.975))
    found = pooled_ratio_difference(*parts, resamples=3000)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_what_both_methods_have_in_common_leaves_the_difference() -> None:
    hardness = seeds(0.5)
    above = [values + 5 for values in hardness]
    one = [np.ones_like(values) for values in hardness]
    found = pooled_ratio_difference([values + 0.1 for values in above], one, above, one)
    assert (found["low"], found["value"], found["high"]) == pytest.approx((0.1, 0.1, 0.1))


def test_difference_of_two_ratios_without_end_is_unknown() -> None:
    one, none = [np.ones(4), np.ones(4)], [np.zeros(4), np.zeros(4)]
    found = pooled_ratio_difference(one, none, one, none)
    assert (found["value"], found["low"], found["high"]) == (None, None, None)
    assert found["unbounded"] is True
    assert found["by_seed"] == [None, None]


def test_ratio_difference_of_other_images_is_refused() -> None:
    one = [np.ones(4), np.ones(4)]
    with pytest.raises(InputError, match=r"the same images"):
        pooled_ratio_difference(one, one, one, [np.ones(4), np.ones(3)])
    with pytest.raises(InputError, match="two training seeds or more"):
        pooled_ratio_difference(one[:1], one[:1], one[:1], one[:1])


def test_ratio_over_a_pooled_mean_below_zero_is_undefined() -> None:
    """As of one training: no negative number that looks worse than any other."""
    found = pooled_ratio([np.ones(5), np.ones(5)], [np.full(5, 0.1), np.full(5, -0.3)])
    assert found["value"] is None
    assert found["by_seed"] == [pytest.approx(10.0), None]
    assert found["unbounded"] is True


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="two training seeds or more"):
        pooled_mean([np.ones(3)])
    with pytest.raises(InputError, match="two training seeds or more"):
        pooled_mean([np.ones(3), np.full(2, np.nan)])
    with pytest.raises(InputError, match=r"same images, found \[3, 2\] and \[2, 3\]"):
        pooled_ratio([np.ones(3), np.ones(2)], [np.ones(2), np.ones(3)])
