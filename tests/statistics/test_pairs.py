from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, norm
from sklearn.metrics import roc_auc_score

from scaat.errors import InputError
from scaat.statistics import (
    auc_interval,
    auc_parts,
    mean_interval,
    paired_auc_difference,
    paired_difference,
    paired_ratio_difference,
    pooled_mean,
)


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


def two_scores(n: int, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of two models that find the same images hard; rounded, so that some are tied."""
    rng = np.random.default_rng(5)
    positive = rng.random(n) < 0.3
    hard = rng.standard_normal(n)
    mine = 1.5 * positive + hard + 0.3 * rng.standard_normal(n)
    other = (1.5 - shift) * positive + hard + 0.3 * rng.standard_normal(n)
    return mine.round(1), other.round(1), positive


def test_auc_difference_has_delongs_variance() -> None:
    """Against the definition: every positive image with every negative one."""
    mine, other, positive = two_scores(90, 0.4)
    wins = []
    for scores in (mine, other):
        apart = scores[positive][:, None] - scores[~positive]
        wins.append((apart > 0) + 0.5 * (apart == 0))
    rows, columns = ((wins[0] - wins[1]).mean(axis) for axis in (1, 0))
    variance = rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns)
    found = paired_auc_difference(mine, other, positive)
    value = roc_auc_score(positive, mine) - roc_auc_score(positive, other)
    assert found["value"] == pytest.approx(value)
    assert found["n"] == 90
    half = norm.ppf(0.975) * math.sqrt(variance)
    assert (found["low"], found["high"]) == pytest.approx((value - half, value + half))


def test_parts_of_an_auc_have_its_mean_and_delongs_variance() -> None:
    mine, other, positive = two_scores(600, 0.2)
    parts, others = auc_parts(mine, positive), auc_parts(other, positive)
    assert parts.mean() == pytest.approx(roc_auc_score(positive, mine))
    # The difference of two models' parts is that of their areas, and so is its interval.
    paired = paired_difference(parts, others)
    expected = paired_auc_difference(mine, other, positive)
    assert paired["value"] == pytest.approx(expected["value"])
    assert (paired["low"], paired["high"]) == pytest.approx(
        (expected["low"], expected["high"]), abs=0.1 * (expected["high"] - expected["low"])
    )
    assert np.isnan(auc_parts(mine, np.ones(600, dtype=bool))).all()
    with pytest.raises(InputError, match="one value of both for each image"):
        auc_parts(mine, positive[1:])


def test_an_auc_pooled_by_its_parts_is_a_naive_bootstrap_of_seeds_and_images() -> None:
    generator = np.random.default_rng(3)
    positive = generator.random(300) < 0.3
    scores = [generator.normal(1.2 * positive + 0.2 * n * positive, 1.0) for n in range(3)]
    found = pooled_mean([auc_parts(of_seed, positive) for of_seed in scores])
    areas = [roc_auc_score(positive, of_seed) for of_seed in scores]
    assert found["by_seed"] == pytest.approx(areas)
    draws = []
    for _ in range(2000):
        drawn = []
        for seed in generator.integers(3, size=2):  # two of three seeds
            images = generator.integers(300, size=300)
            values, truth = scores[seed][images], positive[images]
            drawn.append((values[truth][:, None] > values[~truth]).mean())
        draws.append(np.mean(drawn))
    assert (found["low"], found["high"]) == pytest.approx(
        np.quantile(draws, (0.025, 0.975)), abs=0.1 * (found["high"] - found["low"])
    )


def test_auc_difference_agrees_with_the_bootstrap() -> None:
    mine, other, positive = two_scores(600, 0.2)

    def apart(above: np.ndarray, below: np.ndarray) -> float:
        truth = np.r_[np.ones(above.shape[1]), np.zeros(below.shape[1])]
        first, second = (roc_auc_score(truth, np.r_[above[i], below[i]]) for i in (0, 1))
        return float(first - second)

    rng = np.random.default_rng(0)
    above, below = (np.stack([mine, other])[:, of] for of in (positive, ~positive))
    draws = []
    for _ in range(1000):
        chosen = (rng.integers(part.shape[1], size=part.shape[1]) for part in (above, below))
        draws.append(apart(*(p[:, c] for p, c in zip((above, below), chosen, strict=True))))
    found = paired_auc_difference(mine, other, positive)
    assert (found["low"], found["high"]) == pytest.approx(
        np.quantile(draws, (0.025, 0.975)), abs=0.1 * (found["high"] - found["low"])
    )
    # It decides what the two separate intervals leave open.
    assert found["low"] > 0
    assert auc_interval(mine, positive)["low"] < auc_interval(other, positive)["high"]


def test_auc_difference_of_few_images() -> None:
    scores, other = np.array([0.1, 0.4, 0.3]), np.array([0.5, 0.2, 0.1])
    one = paired_auc_difference(scores, other, np.array([False, True, False]))
    assert one == {"value": 0.5, "low": None, "high": None, "n": 3}
    none = paired_auc_difference(scores, other, np.zeros(3, dtype=bool))
    assert none == {"value": None, "low": None, "high": None, "n": 3}
    with pytest.raises(InputError, match="one value of both for each image"):
        paired_auc_difference(scores, other, np.zeros(4, dtype=bool))
