from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from scaat.errors import InputError
from scaat.statistics import mean_interval, paired_difference, paired_ratio_difference


def draws(seed: int, n: int = 40, mean: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.2, n)


def test_difference_is_scipys_bootstrap_of_the_differences() -> None:
    values, other = draws(0), draws(1)
    expected = bootstrap(
        (values - other,),
        np.mean,
        n_resamples=400,
        method="percentile",
        random_state=np.random.default_rng(5),
    ).confidence_interval
    found = paired_difference(values, other, seed=5, resamples=400)
    assert found["value"] == pytest.approx(values.mean() - other.mean(), abs=1e-12)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found["n"] == 40


def test_pairing_tells_apart_what_two_intervals_do_not() -> None:
    hardness = np.random.default_rng(0).normal(0, 1, 50)
    noise = np.random.default_rng(1).normal(0, 0.01, 50)
    worse, better = mean_interval(hardness), mean_interval(hardness + 0.05 + noise)
    assert better["low"] < worse["high"]  # they overlap
    found = paired_difference(hardness + 0.05 + noise, hardness)
    assert 0.04 < found["low"] < found["high"] < 0.06


def test_images_without_a_value_drop_out_of_the_pair() -> None:
    values, other = draws(0), draws(1)
    values[3], other[7] = math.nan, math.nan
    kept = [i for i in range(40) if i not in (3, 7)]
    found = paired_difference(values, other)
    assert found["n"] == 38
    assert found["value"] == pytest.approx((values - other)[kept].mean())


def test_float32_values_are_subtracted_in_float64() -> None:
    values = np.array([1.0, 1.0], dtype=np.float32)
    other = np.array([2**-30, 2**-30], dtype=np.float32)
    assert paired_difference(values, other)["value"] == 1 - 2**-30


def naive_ratio_differences(parts: list[np.ndarray], seed: int, resamples: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    n, found = len(parts[0]), []
    for _ in range(resamples):
        index = generator.integers(0, n, n)
        a, b, c, d = (part[index].mean() for part in parts)
        found.append(a / b - c / d)
    return np.array(found)


def test_ratio_difference_is_a_naive_bootstrap() -> None:
    parts = [draws(i, mean=mean) for i, mean in enumerate((4.0, 1.0, 3.0, 1.5))]
    found = paired_ratio_difference(*parts, seed=2, resamples=300)
    assert found["value"] == pytest.approx(
        parts[0].mean() / parts[1].mean() - parts[2].mean() / parts[3].mean()
    )
    # The two draw their indices apart: they agree as two bootstraps do.
    naive = np.quantile(naive_ratio_differences(parts, 9, 3000), (0.025, 0.975))
    width = naive[1] - naive[0]
    assert (found["low"], found["high"]) == pytest.approx(tuple(naive), abs=0.15 * width)
    assert found["unbounded"] is False


def test_ratio_difference_without_end_says_so() -> None:
    one, zero_mean = draws(0), np.random.default_rng(3).normal(0, 1, 40)
    against_finite = paired_ratio_difference(one, zero_mean, one, one)
    assert against_finite["unbounded"]
    assert against_finite["high"] is None
    both = paired_ratio_difference(one, np.zeros(40), one, np.zeros(40))
    assert both == {"value": None, "low": None, "high": None, "n": 40, "unbounded": True}
    certain = paired_ratio_difference(one, one, one, one)
    assert (certain["low"], certain["high"], certain["unbounded"]) == (0.0, 0.0, False)


@pytest.mark.parametrize(("n", "m"), [(3, 4), (0, 0)])
def test_other_lengths_are_refused(n: int, m: int) -> None:
    with pytest.raises(InputError, match=rf"shape \({n},\) and \({m},\)"):
        paired_difference(np.ones(n), np.ones(m))
    with pytest.raises(InputError, match="one value of both for each image"):
        paired_ratio_difference(np.ones(n), np.ones(n), np.ones(m), np.ones(m))
