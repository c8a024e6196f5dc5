"""The tables of several training seeds together."""

from __future__ import annotations

from collections.abc import Sequence

from scaat.report.catalogue import (
    FAMILIES,
    METRICS,
    PERFORMANCE,
    SALIENCY,
    attribution_name,
    method_name,
)
from scaat.report.findings import held_against
from scaat.report.numbers import signed_text
from scaat.report.paired import sign
from scaat.report.pooling import Pool
from scaat.report.results import Estimate
from scaat.report.tables.making import SIGNS
from scaat.report.tables.table import Cell, Line, Table, best, printed, transposed


def pooled_tables(pool: Pool) -> list[Table]:
    """Return the means, the differences where two methods share seeds, and the ranks.

    Then means and differences for each family of further metrics that some seed has.
    """
    pooled, differences = "Training seeds pooled", "Differences, training seeds pooled"

    def measured(*keys: str) -> list[str]:
        return [key for key in keys if any(c.measured(key) for c in pool.comparisons)]

    first = measured(*PERFORMANCE, *SALIENCY)
    tables = [_means(pool, first, "", pooled), _differences(pool, first, "", differences)]
    tables.append(_stability(pool, first))
    for family in FAMILIES:
        if keys := measured(*family.metrics):
            of_what = f"{family.caption[0].lower()}{family.caption[1:]}"
            suffix = f"-{family.name}"
            tables.append(_means(pool, keys, suffix, f"{pooled}: {of_what}"))
            tables.append(_differences(pool, keys, suffix, f"{differences}: {of_what}"))
    return [table for table in tables if table.lines]


def _means(pool: Pool, keys: Sequence[str], suffix: str, caption: str) -> Table:
    """Return metrics pooled over training seeds."""
    lines: list[Line] = []
    for attribution in pool.attributions:
        columns: dict[str, list[Cell]] = {}
        for key in keys:
            found = [pool.pooled(key, method, attribution) for method in pool.methods]
            winners = best(key, [p.estimate if p else None for p in found])
            columns[key] = [
                Cell(
                    *printed(key, p.estimate if p else None),
                    best=i in winners,
                    note="; ".join(_of_seed(key, value) for value in p.by_seed) if p else "",
                )
                for i, p in enumerate(found)
            ]
        lines += [
            Line(attribution_name(attribution), method_name(method), cells)
            for method, cells in zip(pool.methods, transposed(columns), strict=True)
        ]
    return Table(
        name=f"pooled{suffix}",
        caption=caption,
        note=f"Means over the training seeds {', '.join(map(str, pool.seeds))}; below each "
        "interval the values of the seeds, in this order. Brackets: 95 % interval over seeds and "
        "images; with few seeds it is rough. Bold: the best value of the training methods.",
        stub="Training",
        columns=tuple(METRICS[key].label for key in keys),
        lines=tuple(lines),
        over="Saliency method",
    )


def _differences(pool: Pool, keys: Sequence[str], suffix: str, caption: str) -> Table:
    """Return by how much training methods differ over the training seeds, image by image."""

    def cell(metric: str, attribution: str, method: str, other: str) -> Cell:
        found = pool.difference(metric, attribution, method, other)
        if found is None:
            return Cell("–")
        value, interval = signed_text(METRICS[metric], found.estimate)
        mark = f"{SIGNS[sign(metric, found.estimate)]} " if interval else ""
        seeds = (Estimate(v, None, None, 0) for v in found.by_seed)
        note = "; ".join(signed_text(METRICS[metric], of_seed)[0] for of_seed in seeds)
        return Cell(f"{mark}{value}", interval, note=note)

    return Table(
        name=f"pooled-differences{suffix}",
        caption=caption,
        note=f"Means over the training seeds {', '.join(map(str, pool.seeds))} of the differences "
        "image by image; below each interval the values of the seeds, in this order. ▲ better, "
        "▼ worse: the 95 % interval over seeds and images leaves out 0; ≈ undecided: it holds 0. "
        "Without a sign: the values of the images were not stored, so there is no interval. Every "
        "measure is in pooled-differences.csv.",
        stub="Saliency method",
        columns=tuple(METRICS[key].label for key in keys),
        lines=tuple(
            Line(
                f"{method_name(method)} less {method_name(other)}",
                attribution_name(attribution),
                tuple(cell(key, attribution, method, other) for key in keys),
            )
            for method, other in held_against(pool.methods)
            for attribution in pool.attributions
            if any(pool.difference(key, attribution, method, other) for key in keys)
        ),
        over="Training",
    )


def _stability(pool: Pool, keys: Sequence[str]) -> Table:
    """Return how far the order of the training methods holds from seed to seed."""

    def cell(key: str, attribution: str) -> Cell:
        found = pool.stability(key, attribution)
        if found is None:
            return Cell("–")
        first, kept = (round(share * found.seeds) for share in (found.first, found.kept))
        order = " > ".join(map(method_name, found.order))
        return Cell(f"{first} of {found.seeds}", f"order {kept} of {found.seeds}", note=order)

    return Table(
        name="stability-of-ranks",
        caption="Does another seed change who is best?",
        note="In how many seeds the method with the best mean is the best, in how many the whole "
        "order of the means holds, and that order, the best first.",
        stub="Saliency method",
        columns=tuple(METRICS[key].label for key in keys),
        lines=tuple(
            Line("", attribution_name(a), tuple(cell(key, a) for key in keys))
            for a in pool.attributions
        ),
    )


def _of_seed(key: str, value: float | None) -> str:
    return printed(key, Estimate(value, None, None, 0))[0]
