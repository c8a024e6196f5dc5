"""Differences of training methods, image by image and over training seeds, and what they decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

Compute = Callable[..., dict[str, Any]]
Verdict = Literal["better", "worse", "not significant"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_STORED = {"accuracy": "correct"}
"""Names of per-image values that differ from their metric's; those are of all test images."""


def difference(
    comparison: Comparison, metric: str, attribution: str | None, method: str, other: str
) -> Estimate | None:
    """Return by how much ``method`` exceeds ``other`` on the same images, with its interval.

    None without per-image values of images that both share. ``attribution`` may be None for what
    does not depend on it.
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
        comparison.differences[metric, shared, other, method] = computed and -computed
    return comparison.differences[key]


def verdict(
    comparison: Comparison, metric: str, attribution: str | None, method: str, other: str
) -> Verdict | None:
    """Return whether ``method`` is better or worse than ``other``.

    Significant where the 95 % interval of the paired difference excludes 0; None without one.
    """
    paired = difference(comparison, metric, attribution, method, other)
    return None if paired is None else sign(metric, paired)


def sign(metric: str, estimate: Estimate) -> Verdict:
    """Return which side of 0 the interval of a difference is on."""
    bounds = estimate.bounds
    if bounds is None or bounds[0] <= 0 <= bounds[1]:
        return "not significant"
    return "better" if (bounds[0] > 0) == METRICS[metric].higher_is_better else "worse"


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
    mine, theirs = (_stored_parts(metric, r) for r in (row, other))
    if mine is None or theirs is None:
        return None
    lengths = [len(values) for values in (*mine, *theirs)]
    pairs = _same_place(lengths) if metric in _STORED else _pairs(row, other, lengths)
    if pairs is None:
        return None
    return [v[pairs[0]] for v in mine] + [v[pairs[1]] for v in theirs]


def _stored_parts(metric: str, row: Row) -> list[Array] | None:
    """Return `image_values` of a metric, of a ratio those of both its parts."""
    stored = [image_values(row, part) for part in RATIOS.get(metric, (metric,))]
    values = [value for value in stored if value is not None]
    return values if len(values) == len(stored) else None


def _difference(metric: str, row: Row, other: Row) -> Estimate | None:
    if metric == "auc":
        shared = _shared_scores(row, other)
        return None if shared is None else to_estimate(paired_auc_difference(*shared))
    values = paired_values(metric, row, other)
    if values is None:
        return None
    compute: Compute = paired_ratio_difference if metric in RATIOS else paired_difference
    return to_estimate(compute(*values))


def _pairs(row: Row, other: Row, lengths: Sequence[int]) -> tuple[Array, Array] | None:
    """Return where the images that two rows share are in each."""
    indices = [r.source.per_image(r.index, "index") for r in (row, other)]
    if indices[0] is None or indices[1] is None:
        # Rows of one file are of the same images, in one order.
        return _same_place(lengths) if row.source is other.source else None
    _, mine, theirs = np.intersect1d(indices[0], indices[1], return_indices=True)
    return (mine, theirs) if len(mine) else None


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


@dataclass(frozen=True)
class Pooled:
    """A mean over training seeds and images, and the mean of each seed."""

    estimate: Estimate
    by_seed: tuple[float | None, ...]

    @property
    def seeds(self) -> list[Estimate]:
        """Return the mean of each seed, without an interval."""
        return [Estimate(value, None, None, 0) for value in self.by_seed]


@dataclass(frozen=True, eq=False)
class Pool:
    """Comparisons that differ in nothing but the training seed, two or more."""

    comparisons: tuple[Comparison, ...]
    known: dict[tuple[str, ...], Pooled | None] = field(default_factory=dict, repr=False)
    """What `pooled` has computed."""

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

    def pooled(
        self, metric: str, attribution: str, method: str, other: str | None = None
    ) -> Pooled | None:
        """Return the pooled estimate, or None unless two seeds or more store it image by image.

        With ``other`` it is by how much ``method`` exceeds it, paired in each seed.
        """
        names = (method,) if other is None else (method, other)
        key = (metric, attribution, *names)
        if key not in self.known:
            self.known[key] = self._pooled(metric, attribution, names)
        return self.known[key]

    def _pooled(self, metric: str, attribution: str, names: Sequence[str]) -> Pooled | None:
        by_seed = [[c.row(name, attribution) for name in names] for c in self.comparisons]
        seeds = [
            rows
            for of_seed in by_seed
            if len(rows := [row for row in of_seed if row and row.metrics[metric]]) == len(names)
        ]
        if len(seeds) < 2:
            return None
        values = [parts for rows in seeds if (parts := _parts(metric, *rows)) is not None]
        if len(values) < len(seeds):
            return None
        if metric in RATIOS:
            compute: Compute = pooled_ratio if len(names) == 1 else pooled_ratio_difference
            computed = compute(*zip(*values, strict=True))
        else:
            samples = [parts[0] if len(parts) == 1 else parts[0] - parts[1] for parts in values]
            if any(np.isnan(sample).all() for sample in samples):
                return None
            computed = pooled_mean(samples)
        if metric == "auc" and len(names) == 1 and computed["high"] is not None:
            # The images' parts spread evenly about an area that ends at 1.
            computed["low"] = max(0.0, computed["low"])
            computed["high"] = min(1.0, computed["high"])
        return Pooled(to_estimate(computed), tuple(computed["by_seed"]))


@lru_cache(maxsize=1)  # every form of the tables asks for them
def pools(results: Results) -> tuple[Pool, ...]:
    """Return the comparisons that several training seeds have in common."""
    groups: dict[tuple[object, ...], list[Comparison]] = {}
    for comparison in results.comparisons:
        groups.setdefault(same_but_for_seed(comparison), []).append(comparison)
    return tuple(Pool(tuple(group)) for group in groups.values() if len(group) > 1)


def _parts(metric: str, row: Row, other: Row | None = None) -> list[Array] | None:
    """Return `paired_values` of two rows, or those of one; of a ratio both its parts."""
    if other is not None:
        return paired_values(metric, row, other)
    accuracy = row.metrics["accuracy"]
    if metric == "accuracy" and accuracy is not None and accuracy.value is not None:
        # A fraction of n images is n ones and zeros, in whatever order.
        ones = np.arange(accuracy.n) < round(accuracy.value * accuracy.n)
        return [ones.astype(np.float64)]
    return _stored_parts(metric, row)
