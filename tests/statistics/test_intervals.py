from __future__ import annotations

import json
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap, norm
from sklearn.metrics import roc_auc_score
from torchmetrics.functional.classification import multilabel_average_precision

from scaat.statistics.intervals import (
    accuracy_interval,
    auc_interval,
    average_precision_interval,
    curve_interval,
    mean_interval,
    ratio_interval,
)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def normal(n: int, mean: float = 0.0, deviation: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, deviation, n)


def test_mean_is_scipys_percentile_bootstrap() -> None:
    values = normal(60, 2.0)
    expected = bootstrap(
        (values,),
        np.mean,
        n_resamples=500,
        method="percentile",
        random_state=np.random.default_rng(3),
    ).confidence_interval
    found = mean_interval(values, seed=3, resamples=500)
    assert found["value"] == pytest.approx(values.mean())
    assert (found["low"], found["high"]) == pytest.approx(tuple(expected))
    assert found["n"] == 60
    assert mean_interval(values, seed=4, resamples=500) != found


def test_mean_interval_agrees_with_the_normal_theory() -> None:
    values = normal(400, 2.0, 3.0)
    found = mean_interval(values)
    half = norm.ppf(0.975) * values.std() / 20
    assert found["low"] == pytest.approx(values.mean() - half, abs=0.03)
    assert found["high"] == pytest.approx(values.mean() + half, abs=0.03)


def test_float32_values_and_many_batches_of_resamples() -> None:
    values = normal(3000, 2.0).astype(np.float32)  # 2,000 resamples need three batches
    found = mean_interval(values)
    assert found["low"] < found["value"] < found["high"]
    assert found["value"] == pytest.approx(values.astype(np.float64).mean(), abs=1e-6)


def test_curve_is_the_mean_interval_of_each_step() -> None:
    curves = normal(80).reshape(20, 4)
    found = curve_interval(curves, seed=5)
    for k in range(4):
        step = mean_interval(curves[:, k], seed=5)
        for key in ("value", "low", "high"):
            assert found[key][k] == pytest.approx(step[key])


def test_ratio_is_the_paired_bootstrap() -> None:
    lerf = normal(50, 2.0, 0.3)
    morf = 3 * lerf  # paired, the ratio does not vary
    found = ratio_interval(morf, lerf)
    assert [found[k] for k in ("value", "low", "high")] == pytest.approx([3, 3, 3])
    assert found["unbounded"] is False
    other = normal(50, 6.0, 1.0, seed=1)
    expected = bootstrap(
        (other, lerf),
        lambda a, b, axis: a.mean(axis) / b.mean(axis),
        paired=True,
        n_resamples=2000,
        method="percentile",
        random_state=np.random.default_rng(8),
    ).confidence_interval
    found = ratio_interval(other, lerf, seed=1)
    assert found["value"] == pytest.approx(other.mean() / lerf.mean())
    assert found["low"] == pytest.approx(expected.low, rel=0.01)
    assert found["high"] == pytest.approx(expected.high, rel=0.01)


def test_ratio_has_no_upper_limit_where_the_denominator_may_be_zero() -> None:
    lerf, morf = normal(50, 0.1, 1.0), normal(50, 6.0, 1.0, seed=1)
    found = ratio_interval(morf, lerf)
    interval = mean_interval(lerf)
    assert interval["low"] < 0 < interval["high"]
    assert found["unbounded"] is True
    assert found["high"] is None
    # What is known: the denominator's mean is hardly above its own upper limit.
    assert found["low"] == pytest.approx(6.0 / interval["high"], rel=0.1)


@pytest.mark.parametrize(
    ("morf", "lerf"),
    [
        (np.ones(9), np.zeros(9)),  # nothing lost: infinite
        (np.zeros(9), np.zeros(9)),  # a constant model
        (np.ones(9), -np.ones(9)),  # confidence rises: infinite, not negative
    ],
)
def test_ratio_to_a_denominator_that_is_never_positive(morf: np.ndarray, lerf: np.ndarray) -> None:
    expected = {"value": None, "low": None, "high": None, "n": 9, "unbounded": True}
    assert ratio_interval(morf, lerf) == expected


def test_ratio_stays_bounded_where_only_rare_resamples_vanish() -> None:
    # 0.5 % of the resamples have a denominator below zero; both limits are finite.
    lerf = normal(100, 0.0, 1.0)
    lerf += 0.27 - lerf.mean()
    found = ratio_interval(np.full(100, 5.0), lerf)
    assert found["unbounded"] is False
    assert 0 < found["low"] < found["value"] < found["high"]


@pytest.mark.parametrize("rounded", [False, True])
def test_auc_equals_scikit_learn(rounded: bool) -> None:
    labels = np.arange(90) % 3 == 0
    scores = normal(90) + labels
    scores = scores.round() if rounded else scores  # ties
    found = auc_interval(scores, labels)
    assert found["value"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["low"] < found["value"] < found["high"]
    assert found["n"] == 90
    rng = np.random.default_rng(1)
    groups = np.flatnonzero(labels), np.flatnonzero(~labels)
    naive = []
    for _ in range(500):
        i = np.concatenate([rng.choice(g, len(g)) for g in groups])
        naive.append(roc_auc_score(labels[i], scores[i]))
    low, high = np.quantile(naive, [0.025, 0.975])
    assert found["low"] == pytest.approx(low, abs=0.02)
    assert found["high"] == pytest.approx(high, abs=0.02)


@pytest.mark.parametrize("rounded", [False, True])
def test_average_precision_equals_torchmetrics(rounded: bool) -> None:
    rng = np.random.default_rng(0)
    positive = rng.random((60, 3)) < 0.3
    scores = positive + rng.normal(size=(60, 3))
    scores = scores.round(1) if rounded else scores

    def naive(rows: np.ndarray) -> float:
        found = multilabel_average_precision(
            torch.tensor(scores[rows]).sigmoid(), torch.tensor(positive[rows]).long(), num_labels=3
        )
        return float(found)

    interval = average_precision_interval(scores, positive, seed=1, resamples=500)
    assert interval["value"] == pytest.approx(naive(np.arange(60)), abs=1e-6)
    drawn = [naive(rng.integers(60, size=60)) for _ in range(500)]
    assert interval["low"] == pytest.approx(np.quantile(drawn, 0.025), abs=0.04)
    assert interval["high"] == pytest.approx(np.quantile(drawn, 0.975), abs=0.04)


def test_average_precision_leaves_out_labels_that_a_resample_lacks() -> None:
    positive = np.array([[True, True], [False, True], [False, True]])
    scores = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    interval = average_precision_interval(scores, positive, resamples=100)
    assert interval == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 3}


def test_accuracy_has_wilsons_interval() -> None:
    correct = np.arange(40) < 30
    z = norm.ppf(0.975)
    centre = (0.75 + z**2 / 80) / (1 + z**2 / 40)
    half = z / (1 + z**2 / 40) * np.sqrt(0.75 * 0.25 / 40 + z**2 / (4 * 40**2))
    found = accuracy_interval(correct)
    assert found["value"] == 0.75
    assert (found["low"], found["high"]) == pytest.approx((centre - half, centre + half))
    perfect = accuracy_interval(np.ones(40, dtype=bool))
    assert perfect["high"] == 1.0
    assert 0.9 < perfect["low"] < 0.95


def test_single_and_constant_values() -> None:
    one, same = np.array([0.3]), np.full(12, 0.3)
    assert mean_interval(one) == {"value": 0.3, "low": None, "high": None, "n": 1}
    constant = mean_interval(same)
    assert [constant[k] for k in ("value", "low", "high")] == pytest.approx([0.3] * 3)
    assert curve_interval(np.ones((1, 2))) == {
        "value": [1.0, 1.0],
        "low": [None, None],
        "high": [None, None],
    }
    assert ratio_interval(one, one)["value"] == 1.0
    assert ratio_interval(one, 0 * one)["unbounded"] is True
    assert ratio_interval(same, same)["low"] == pytest.approx(1)
    assert accuracy_interval(np.array([True]))["n"] == 1
    assert auc_interval(same, np.arange(12) < 3)["value"] == 0.5
    assert auc_interval(same, np.arange(12) < 1)["low"] is None
    assert auc_interval(same, np.ones(12, dtype=bool))["value"] is None


def test_everything_is_strict_json() -> None:
    values, labels = normal(30), np.arange(30) < 9
    cells = [
        mean_interval(values),
        curve_interval(values.reshape(10, 3)),
        auc_interval(values, labels),
        ratio_interval(values + 9, values),
        accuracy_interval(labels),
        ratio_interval(values, 0 * values),
    ]
    assert json.loads(json.dumps(cells, allow_nan=False)) == cells


def test_images_without_a_value_are_left_out() -> None:
    values = normal(20)
    found = mean_interval(np.concatenate([values, [np.nan, np.nan]]))
    assert found == mean_interval(values)
    assert found["n"] == 20
    nothing = mean_interval(np.array([np.nan]))
    assert nothing == {"value": None, "low": None, "high": None, "n": 0}
