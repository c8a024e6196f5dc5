"""Differences of training methods, image by image and over training seeds, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from scaat.display.labels import METRICS, OPTIONAL, PERFORMANCE, RATIOS, Estimate
from scaat.report.results import Array, Comparison, Results, Row, same_but_for_seed
from scaat.statistics import (
    auc_parts,
    paired_auc_difference,
    paired_difference,
    paired_ratio_difference,
    pooled_mean,
    pooled_ratio,
    pooled_ratio_difference,
)

Verdict = Literal["better", "worse", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_STORED = {"accuracy": "correct"}
"""Names of per-image values that differ from their metric's; those are of all test images."""


def difference(
    comparison: Comparison, metric: str, attribution: str | None, method: str, other: str
) -> Estimate | None:
    """Return by how much ``method`` exceeds ``other`` on the same images, with its interval.

    None where the per-image values of either are not at hand or the two share no image.
    ``attribution`` may be None for what does not depend on it.
    """
    rows = comparison.row(method, attribution), comparison.row(other, attribution)
    if rows[0] is None or rows[1] is None:
        return None
    # All saliency methods share what is of the models: over a whole test set resampling is slow.
    shared = None if metric in PERFORMANCE else attribution
    key = (metric, shared, method, other)
    if key not in comparison.differences:
        computed = _difference(metric, rows[0], rows[1])
        comparison.differences[key] = computed
        comparison.differences[metric, shared, other, method] = _negated(computed)
    return comparison.differences[key]


def verdict(
    comparison: Comparison, metric: str, attribution: str | None, method: str, other: str
) -> Verdict | None:
    """Return whether ``method`` is better or worse than ``other``; None if one is missing.

    Decided where the 95 % interval of the paired difference leaves out 0; without per-image values,
    where the two 95 % intervals don't overlap, which decides less.
    """
    rows = comparison.row(method, attribution), comparison.row(other, attribution)
    if rows[0] is None or rows[1] is None:
        return None
    paired = difference(comparison, metric, attribution, method, other)
    if paired is not None:
        return sign(metric, paired)
    return unpaired(metric, rows[0].metrics[metric], rows[1].metrics[metric])


def sign(metric: str, estimate: Estimate) -> Verdict:
    """Return what a difference decides: which side of 0 its interval is on."""
    return _side(metric, estimate.bounds, (0.0, 0.0))


def unpaired(metric: str, estimate: Estimate | None, other: Estimate | None) -> Verdict | None:
    """Return what two separate intervals decide: nothing where they overlap."""
    if estimate is None or other is None:
        return None
    return _side(metric, estimate.bounds, other.bounds)


def _side(
    metric: str, mine: tuple[float, float] | None, theirs: tuple[float, float] | None
) -> Verdict:
    if mine is None or theirs is None or (mine[0] <= theirs[1] and theirs[0] <= mine[1]):
        return "undecided"
    return "better" if (mine[0] > theirs[1]) == METRICS[metric].higher_is_better else "worse"


def to_estimate(computed: dict[str, Any]) -> Estimate:
    """Return what `scaat.statistics` computed as an `Estimate`."""
    value, low, high, n = (computed[key] for key in ("value", "low", "high", "n"))
    return Estimate(value, low, high, n, unbounded=computed.get("unbounded", False))


def image_values(row: Row, metric: str) -> Array | None:
    """Return a row's value for each image, float64 (n,), or None if not stored.

    Of the AUC it is the image's part in it (`scaat.statistics.auc_parts`).
    """
    if metric == "auc":
        scores = _scores(row)
        return None if scores is None else auc_parts(*scores)
    name = _STORED.get(metric, metric)
    values = row.source.per_image(row.index, name, gaps=metric in OPTIONAL)
    return None if values is None else values.astype(np.float64)


def paired_values(metric: str, row: Row, other: Row) -> list[Array] | None:
    """Return both rows' values of a metric for the images that they share, in one order.

    Of a ratio its parts: numerator and denominator of ``row``, then those of ``other``. None
    where a value is not stored or no image is shared.
    """
    if metric == "auc":
        shared = _shared_scores(row, other)
        return None if shared is None else [auc_parts(scores, shared[2]) for scores in shared[:2]]
    parts = RATIOS.get(metric, (metric,))
    stored = [image_values(r, part) for r in (row, other) for part in parts]
    values = [v for v in stored if v is not None]
    if len(values) < len(stored):
        return None
    lengths = [len(v) for v in values]
    pairs = _same_place(lengths) if metric in _STORED else _pairs(row, other, lengths)
    if pairs is None:
        return None
    mine, theirs = values[: len(parts)], values[len(parts) :]
    return [v[pairs[0]] for v in mine] + [v[pairs[1]] for v in theirs]


def _difference(metric: str, row: Row, other: Row) -> Estimate | None:
    if metric == "auc":
        return _auc_difference(row, other)
    values = paired_values(metric, row, other)
    if values is None:
        return None
    if metric not in RATIOS:
        return to_estimate(paired_difference(values[0], values[1]))
    above, below, other_above, other_below = values
    return to_estimate(paired_ratio_difference(above, below, other_above, other_below))


def _pairs(row: Row, other: Row, lengths: Sequence[int]) -> tuple[Array, Array] | None:
    """Return where the images that two rows share are in each."""
    indices = [r.source.per_image(r.index, "index") for r in (row, other)]
    if indices[0] is None or indices[1] is None:
        # Rows of one file are of the same images, in one order.
        return _same_place(lengths) if row.source is other.source else None
    _, mine, theirs = np.intersect1d(indices[0], indices[1], return_indices=True)
    return (mine, theirs) if len(mine) else None


def _auc_difference(row: Row, other: Row) -> Estimate | None:
    shared = _shared_scores(row, other)
    return None if shared is None else to_estimate(paired_auc_difference(*shared))


def _shared_scores(row: Row, other: Row) -> tuple[Array, Array, NDArray[np.bool_]] | None:
    """Return the scores of both rows and the classes, or None unless these are the same in both."""
    mine, theirs = _scores(row), _scores(other)
    if mine is None or theirs is None or not np.array_equal(mine[1], theirs[1]):
        return None
    return mine[0], theirs[0], mine[1]


def _scores(row: Row) -> tuple[Array, NDArray[np.bool_]] | None:
    """Return the margin of the second class over the first, and whether each image is of it.

    None where they are not stored, or one class is missing.
    """
    margin, correct = (row.source.per_image(row.index, name) for name in ("margin", "correct"))
    if margin is None or correct is None or len(margin) != len(correct):
        return None
    # A margin above zero predicts the second class: so it is, where that is correct.
    positive = (margin > 0) == correct
    return (margin.astype(np.float64), positive) if 0 < positive.sum() < len(positive) else None


def _same_place(lengths: Sequence[int]) -> tuple[Array, Array] | None:
    """Return the pairs of images at the same place in both rows."""
    everything = np.arange(lengths[0])
    return (everything, everything) if len(set(lengths)) == 1 else None


def _negated(estimate: Estimate | None) -> Estimate | None:
    if estimate is None:
        return None
    low, value, high = (
        None if x is None else 0.0 - x for x in (estimate.high, estimate.value, estimate.low)
    )
    return Estimate(value, low, high, estimate.n, estimate.unbounded)


@dataclass(frozen=True)
class Pooled:
    """A mean over training seeds and images, and the mean of each seed."""

    estimate: Estimate
    by_seed: tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Pool:
    """Comparisons that differ in nothing but the training seed, two or more."""

    comparisons: tuple[Comparison, ...]
    known: dict[tuple[str, str, str], Pooled | None] = field(default_factory=dict, repr=False)
    """What `pooled` has computed."""
    differences: dict[tuple[str, str, str, str], Pooled | None] = field(
        default_factory=dict, repr=False
    )
    """What `difference` has computed."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the training seeds."""
        return tuple(comparison.seed for comparison in self.comparisons)

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Return the training methods of any seed."""
        return tuple(dict.fromkeys(m for c in self.comparisons for m in c.methods))

    @cached_property
    def attributions(self) -> tuple[str, ...]:
        """Return the saliency methods of any seed."""
        return tuple(dict.fromkeys(a for c in self.comparisons for a in c.attributions))

    def rows(self, method: str, attribution: str) -> list[Row]:
        """Return the rows of this pair, one for each seed that has it."""
        by_seed = (comparison.row(method, attribution) for comparison in self.comparisons)
        return [row for row in by_seed if row is not None]

    def pooled(self, metric: str, attribution: str, method: str) -> Pooled | None:
        """Return the pooled estimate, or None where fewer than two seeds have it.

        Without per-image values it is the mean over the seeds, without an interval.
        """
        key = (metric, attribution, method)
        if key not in self.known:
            self.known[key] = self._pooled(*key)
        return self.known[key]

    def _pooled(self, metric: str, attribution: str, method: str) -> Pooled | None:
        rows = [row for row in self.rows(method, attribution) if row.metrics[metric]]
        if len(rows) < 2:
            return None
        parts = RATIOS.get(metric, (metric,))
        columns = [[_values(row, part) for row in rows] for part in parts]
        stored = [[v for v in column if v is not None] for column in columns]
        if any(len(column) < len(rows) for column in stored):
            return _without_images(rows, metric)
        pooled = pooled_mean(stored[0]) if len(parts) == 1 else pooled_ratio(stored[0], stored[1])
        if metric == "auc" and pooled["high"] is not None:
            # The images' parts spread evenly about an area that ends at 1.
            pooled["low"], pooled["high"] = max(0.0, pooled["low"]), min(1.0, pooled["high"])
        return Pooled(to_estimate(pooled), tuple(pooled["by_seed"]))

    def difference(self, metric: str, attribution: str, method: str, other: str) -> Pooled | None:
        """Return by how much ``method`` exceeds ``other``, pooled, or None as `pooled`.

        The two are paired in each seed, image by image. Where per-image values are not stored it
        is the mean over the seeds, without an interval.
        """
        key = (metric, attribution, method, other)
        if key not in self.differences:
            self.differences[key] = self._difference(*key)
        return self.differences[key]

    def _difference(self, metric: str, attribution: str, method: str, other: str) -> Pooled | None:
        rows = [(c.row(method, attribution), c.row(other, attribution)) for c in self.comparisons]
        pairs = [(a, b) for a, b in rows if a and b and a.metrics[metric] and b.metrics[metric]]
        if len(pairs) < 2:
            return None
        stored = [paired_values(metric, a, b) for a, b in pairs]
        values = [parts for parts in stored if parts is not None]
        if len(values) < len(pairs):
            mine = _without_images([a for a, _ in pairs], metric)
            theirs = _without_images([b for _, b in pairs], metric)
            by_seed = tuple(map(_less, mine.by_seed, theirs.by_seed))
            value = _less(mine.estimate.value, theirs.estimate.value)
            return Pooled(Estimate(value, None, None, mine.estimate.n), by_seed)
        if metric in RATIOS:
            above, below, other_above, other_below = zip(*values, strict=True)
            computed = pooled_ratio_difference(above, below, other_above, other_below)
        else:
            apart = [mine - theirs for mine, theirs in values]
            if any(np.isnan(of_seed).all() for of_seed in apart):
                return None
            computed = pooled_mean(apart)
        return Pooled(to_estimate(computed), tuple(computed["by_seed"]))


@lru_cache(maxsize=1)  # every form of the tables asks for them
def pools(results: Results) -> tuple[Pool, ...]:
    """Return the comparisons that several training seeds have in common."""
    groups: dict[tuple[object, ...], list[Comparison]] = {}
    for comparison in results.comparisons:
        groups.setdefault(same_but_for_seed(comparison), []).append(comparison)
    return tuple(Pool(tuple(group)) for group in groups.values() if len(group) > 1)


def _values(row: Row, metric: str) -> Array | None:
    estimate = row.metrics[metric]
    if metric == "accuracy" and estimate is not None and estimate.value is not None:
        # A fraction of n images is n ones and zeros, in whatever order.
        return (np.arange(estimate.n) < round(estimate.value * estimate.n)).astype(np.float64)
    return image_values(row, metric)


def _less(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _without_images(rows: list[Row], metric: str) -> Pooled:
    def means(key: str) -> list[float | None]:
        return [e.value if (e := row.metrics[key]) is not None else None for row in rows]

    def mean(key: str) -> float | None:
        known = [value for value in means(key) if value is not None]
        return sum(known) / len(known) if known else None

    if metric in RATIOS:
        above, below = map(mean, RATIOS[metric])
        value = above / below if above is not None and below else None
    else:
        value = mean(metric)
    n = sum(e.n for row in rows if (e := row.metrics[metric]) is not None)
    return Pooled(Estimate(value, None, None, n), tuple(means(metric)))
