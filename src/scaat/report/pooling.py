"""Several training seeds of the same comparison, pooled."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from scaat.report.catalogue import METRICS
from scaat.report.paired import RATIOS, image_values, paired_values, to_estimate
from scaat.report.results import Comparison, Estimate, Results, Row, same_but_for_seed
from scaat.report.source import Array
from scaat.statistics import (
    RankStability,
    pooled_mean,
    pooled_ratio,
    pooled_ratio_difference,
    rank_stability,
)


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
        found = (comparison.row(method, attribution) for comparison in self.comparisons)
        return [row for row in found if row is not None]

    def pooled(self, metric: str, method: str, attribution: str) -> Pooled | None:
        """Return the pooled estimate, or None where fewer than two seeds have it.

        Without per-image values it is the mean over the seeds, without an interval.
        """
        key = (metric, method, attribution)
        if key not in self.known:
            self.known[key] = self._pooled(*key)
        return self.known[key]

    def _pooled(self, metric: str, method: str, attribution: str) -> Pooled | None:
        rows = [row for row in self.rows(method, attribution) if row.metrics[metric]]
        if len(rows) < 2:
            return None
        parts = RATIOS.get(metric, (metric,))
        columns = [[_values(row, part) for row in rows] for part in parts]
        stored = [[v for v in column if v is not None] for column in columns]
        if any(len(column) < len(rows) for column in stored):
            return _without_images(rows, metric)
        found = pooled_mean(stored[0]) if len(parts) == 1 else pooled_ratio(stored[0], stored[1])
        if metric == "auc" and found["high"] is not None:
            # The images' parts spread evenly about an area that ends at 1.
            found["low"], found["high"] = max(0.0, found["low"]), min(1.0, found["high"])
        return Pooled(to_estimate(found), tuple(found["by_seed"]))

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
            found = pooled_ratio_difference(above, below, other_above, other_below)
        else:
            apart = [mine - theirs for mine, theirs in values]
            if any(np.isnan(of_seed).all() for of_seed in apart):
                return None
            found = pooled_mean(apart)
        return Pooled(to_estimate(found), tuple(found["by_seed"]))

    def stability(self, metric: str, attribution: str) -> RankStability | None:
        """Return how far the methods' order holds from seed to seed, or None if not comparable."""
        values: dict[str, list[float]] = {}
        for method in self.methods:
            rows = self.rows(method, attribution)
            numbers = [e.value for row in rows if (e := row.metrics[metric]) is not None]
            known = [number for number in numbers if number is not None]
            if len(known) == len(self.seeds):
                values[method] = known
        if len(values) < 2:
            return None
        return rank_stability(values, higher_is_better=METRICS[metric].better == "higher")


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
        # A share of n images is n ones and zeros, in whatever order.
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
