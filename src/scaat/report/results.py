"""Rows of results as types, and which of them may be compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scaat.report.source import Array, Source, Training


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` test images and its 95 % interval.

    A bound is None where no interval was computed, and, for a ratio marked ``unbounded``, where
    the interval has no end on that side; the value is None where the ratio is undefined.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unbounded: bool = False

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the interval with infinite open ends, or None where there is no interval."""
        if self.unbounded:
            return (
                -math.inf if self.low is None else self.low,
                math.inf if self.high is None else self.high,
            )
        if self.low is None or self.high is None:
            return None
        return self.low, self.high


@dataclass(frozen=True)
class Curve:
    """A mean curve over the test images, with its band; shapes (steps,)."""

    value: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Traces:
    """Probability of the predicted class as pixels are inserted and deleted, by their share."""

    fraction: Array
    insertion: Curve
    deletion: Curve


@dataclass(frozen=True)
class Randomisation:
    """Correlation with the trained model's maps as layers, the output's first, are randomised."""

    layers: tuple[str, ...]
    correlation: Curve


@dataclass(frozen=True, eq=False)
class Row:
    """One (data, model, method, attribution, seed) of a results file."""

    source: Source
    index: int
    data: str
    model: str
    method: str
    attribution: str
    seed: int
    metrics: Mapping[str, Estimate | None]
    train_seconds: float | None
    cost_ratio: float | None
    settings: Mapping[str, Any]
    fraction: Array
    lerf: Curve
    morf: Curve
    traces: Traces | None = None
    randomisation: Randomisation | None = None

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Return what tells this row from every other in a report."""
        return self.data, self.model, self.method, self.attribution, self.seed


@dataclass(frozen=True, eq=False)
class Comparison:
    """The rows that may be compared, in the files' order: one test set, model and seed."""

    data: str
    model: str
    seed: int
    rows: tuple[Row, ...]
    differences: dict[tuple[str, str | None, str, str], Estimate | None] = field(
        default_factory=dict, repr=False
    )
    """What `paired.difference` has computed."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the training methods in order of appearance."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    @property
    def attributions(self) -> tuple[str, ...]:
        """Return the saliency methods in order of appearance."""
        return tuple(dict.fromkeys(row.attribution for row in self.rows))

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the runs that the rows are from."""
        return tuple(dict.fromkeys(row.source for row in self.rows))

    @property
    def reference(self) -> str:
        """Return the training method that others are held against."""
        return reference_of(self.methods)

    @property
    def trainings(self) -> tuple[Training, ...]:
        """Return how the compared models were trained, where that was stored."""
        wanted = [(self.data, self.model, method, self.seed) for method in self.methods]
        known = {(t.data, t.model, t.method, t.seed): t for s in self.sources for t in s.trainings}
        return tuple(known[key] for key in wanted if key in known)

    def row(self, method: str, attribution: str | None) -> Row | None:
        """Return the row of this pair, or None where it was not measured.

        With None for the saliency method it is `model_row`.
        """
        if attribution is None:
            return self.model_row(method)
        for row in self.rows:
            if (row.method, row.attribution) == (method, attribution):
                return row
        return None

    def model_row(self, method: str) -> Row:
        """Return a row for what does not depend on the saliency method: accuracy, AUC, cost."""
        row = self.row(method, "gradient")
        return row or next(row for row in self.rows if row.method == method)

    def measured(self, metric: str) -> bool:
        """Return whether any row has the metric."""
        return any(row.metrics.get(metric) for row in self.rows)

    def images(self, metric: str) -> int:
        """Return the largest number of test images behind a metric."""
        return max(e.n if (e := row.metrics[metric]) else 0 for row in self.rows)

    def class_name(self, index: int) -> str:
        """Return the name of a class, or its number where the file names too few."""
        classes = self.rows[0].source.classes
        return classes[index] if 0 <= index < len(classes) else str(index)


@dataclass(frozen=True, eq=False)
class Results:
    """What one or several results folders hold."""

    sources: tuple[Source, ...]
    rows: tuple[Row, ...]

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Return the rows by test set, model and seed, in order of appearance.

        Rows of different runs share a comparison only if their classes, their data settings and
        the way the maps were measured agree.
        """
        groups: dict[tuple[object, ...], list[Row]] = {}
        for row in self.rows:
            key = (row.data, row.model, row.seed, row.source.classes, _same_test(row.settings))
            groups.setdefault(key, []).append(row)
        return tuple(
            Comparison(rows[0].data, rows[0].model, rows[0].seed, tuple(rows))
            for rows in groups.values()
        )


# Where the files lie doesn't change them.
_PLACE = ("data",)
# What the maps' metrics depend on, beside the model, the maps and the images; and what an earlier
# version, which had no such option, did.
_PROTOCOL = {
    "aopc_steps": None,
    "aopc_fraction": None,
    "aopc_region_size": None,
    "aopc_fill": "random",
    "size_codec": None,
    "size_quality": None,
}
# Follows from the seed of the split, so it differs between seeds of one setting.
_BY_SEED = ("seed", "sizes", "class_counts")


def _same_test(settings: Mapping[str, Any], ignored: tuple[str, ...] = _PLACE) -> str:
    """Return a text that is equal for settings under which rows may be compared."""
    data, measured = (settings.get(key) or {} for key in ("data", "evaluation"))
    kept = {key: value for key, value in dict(data).items() if key not in ignored}
    protocol = {key: dict(measured).get(key, old) for key, old in _PROTOCOL.items()}
    return json.dumps([kept, protocol], sort_keys=True, default=str)


def reference_of(methods: Sequence[str]) -> str:
    """Return the training method that others are held against: ``standard``, or the first."""
    return "standard" if "standard" in methods else methods[0]


def same_but_for_seed(comparison: Comparison) -> tuple[object, ...]:
    """Return what comparisons have in common that differ in nothing but the training seed."""
    row = comparison.rows[0]
    return row.data, row.model, row.source.classes, _same_test(row.settings, _PLACE + _BY_SEED)
