"""Tables as CSV: stored units, full precision, no rounding."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from scaat.report.catalogue import METRICS, OPTIONAL, PERFORMANCE, SALIENCY
from scaat.report.findings import held_against
from scaat.report.paired import difference
from scaat.report.pooling import Pooled, pools
from scaat.report.results import Estimate, Results, Row

_KEY = ("data", "model", "seed", "method", "attribution")
_PARTS = ("value", "low", "high", "n", "unbounded")
_SEEDS = ("seeds", "by_seed")
_COST = ("train_seconds", "cost_ratio")


def csv_files(results: Results) -> dict[str, str]:
    """Return the text of each CSV file by its name."""
    saliency = (
        *SALIENCY,
        *(key for key in OPTIONAL if any(row.metrics[key] for row in results.rows)),
    )
    every = (*PERFORMANCE, *saliency)
    performance = (*PERFORMANCE, "aopc_rel")
    model_rows = [c.model_row(m) for c in results.comparisons for m in c.methods]
    files = {
        "comparison.csv": _csv(
            (*_KEY, *_names(saliency)),
            ([*_values(row, _KEY), *_wide(row, saliency)] for row in results.rows),
        ),
        "performance.csv": _csv(
            (*_KEY, *_names(performance), *_COST),
            (
                [*_values(row, _KEY), *_wide(row, performance), *_values(row, _COST)]
                for row in model_rows
            ),
        ),
        "long.csv": _csv(
            (*_KEY, "metric", "better", *_PARTS),
            (
                [*_values(row, _KEY), metric, METRICS[metric].better, *_numbers(estimate)]
                for row in results.rows
                for metric, estimate in row.metrics.items()
                if estimate is not None
            ),
        ),
    }
    if differences := list(_differences(results, every)):
        head = ["data", "model", "seed", "method", "less", "attribution", "metric", "better"]
        files["differences.csv"] = _csv((*head, *_PARTS), differences)
    if pooled := list(_pooled(results, every)):
        head = ["data", "model", "method", "attribution", "metric", "better"]
        files["pooled.csv"] = _csv((*head, *_PARTS, *_SEEDS), pooled)
    if apart := list(_pooled_differences(results, every)):
        head = ["data", "model", "method", "less", "attribution", "metric", "better"]
        files["pooled-differences.csv"] = _csv((*head, *_PARTS, *_SEEDS), apart)
    return files


def _differences(results: Results, metrics: Iterable[str]) -> Iterable[list[object]]:
    """Yield each method's paired differences from the reference of its comparison."""
    for comparison in results.comparisons:
        other = comparison.reference
        for row in comparison.rows:
            for metric in metrics if row.method != other else ():
                found = difference(comparison, metric, row.attribution, row.method, other)
                if found is not None:
                    names = [row.data, row.model, row.seed, row.method, other, row.attribution]
                    yield [*names, metric, METRICS[metric].better, *_numbers(found)]


def _pooled(results: Results, metrics: Iterable[str]) -> Iterable[list[object]]:
    for pool in pools(results):
        first = pool.comparisons[0]
        for method in pool.methods:
            for attribution in pool.attributions:
                for metric in metrics:
                    found = pool.pooled(metric, method, attribution)
                    if found is not None:
                        names = [first.data, first.model, method, attribution, metric]
                        yield [*names, METRICS[metric].better, *_of_seeds(found)]


def _pooled_differences(results: Results, metrics: Iterable[str]) -> Iterable[list[object]]:
    for pool in pools(results):
        first = pool.comparisons[0]
        for method, other in held_against(pool.methods):
            for attribution in pool.attributions:
                for metric in metrics:
                    found = pool.difference(metric, attribution, method, other)
                    if found is not None:
                        names = [first.data, first.model, method, other, attribution, metric]
                        yield [*names, METRICS[metric].better, *_of_seeds(found)]


def _of_seeds(found: Pooled) -> list[object]:
    values = " ".join("" if v is None else repr(v) for v in found.by_seed)
    return [*_numbers(found.estimate), len(found.by_seed), values]


def _names(metrics: Iterable[str]) -> list[str]:
    return [f"{metric}_{part}" for metric in metrics for part in _PARTS]


def _wide(row: Row, metrics: Iterable[str]) -> list[object]:
    return [x for metric in metrics for x in _numbers(row.metrics[metric])]


def _values(row: Row, names: Iterable[str]) -> list[object]:
    return [getattr(row, name) for name in names]


def _numbers(estimate: Estimate | None) -> list[object]:
    if estimate is None:
        return [None] * len(_PARTS)
    return [getattr(estimate, part) for part in _PARTS]


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)  # the shortest digits that read back as the same number
    return stream.getvalue()
