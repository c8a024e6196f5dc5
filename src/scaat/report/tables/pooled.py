"""The tables of several training seeds together."""

from __future__ import annotations

from scaat.report.catalogue import METRICS, SALIENCY, attribution_name, method_name
from scaat.report.findings import held_against
from scaat.report.numbers import signed_text
from scaat.report.paired import sign
from scaat.report.pooling import Pool
from scaat.report.results import Estimate
from scaat.report.tables.making import SIGNS
from scaat.report.tables.table import Cell, Line, Table, best, printed, transposed

_KEYS = ("accuracy", *SALIENCY)


def pooled_tables(pool: Pool) -> list[Table]:
    """Return the means, the differences where two methods share seeds, and the ranks."""
    tables = pooled_table(pool), pooled_differences_table(pool), stability_table(pool)
    return [table for table in tables if table.lines]


def pooled_table(pool: Pool) -> Table:
    """Return accuracy, sparsity and faithfulness pooled over training seeds."""
    lines: list[Line] = []
    for attribution in pool.attributions:
        columns: dict[str, list[Cell]] = {}
        for key in _KEYS:
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
        name="pooled",
        caption="Training seeds pooled",
        note=f"Means over the training seeds {', '.join(map(str, pool.seeds))}; below each "
        "interval the values of the seeds, in this order. Brackets: 95 % interval over seeds and "
        "images; with few seeds it is rough. Bold: the best value of the training methods.",
        stub="Training",
        columns=tuple(METRICS[key].label for key in _KEYS),
        lines=tuple(lines),
        over="Saliency method",
    )


def pooled_differences_table(pool: Pool) -> Table:
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
        name="pooled-differences",
        caption="Differences between training methods, training seeds pooled",
        note=f"Means over the training seeds {', '.join(map(str, pool.seeds))} of the differences "
        "image by image; below each interval the values of the seeds, in this order. ▲ better, "
        "▼ worse: the 95 % interval over seeds and images leaves out 0; ≈ undecided: it holds 0. "
        "Without a sign: the values of the images were not stored, so there is no interval. Every "
        "measure is in pooled-differences.csv.",
        stub="Saliency method",
        columns=tuple(METRICS[key].label for key in _KEYS),
        lines=tuple(
            Line(
                f"{method_name(method)} less {method_name(other)}",
                attribution_name(attribution),
                tuple(cell(key, attribution, method, other) for key in _KEYS),
            )
            for method, other in held_against(pool.methods)
            for attribution in pool.attributions
            if any(pool.difference(key, attribution, method, other) for key in _KEYS)
        ),
        over="Training",
    )


def stability_table(pool: Pool) -> Table:
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
        columns=tuple(METRICS[key].label for key in _KEYS),
        lines=tuple(
            Line("", attribution_name(a), tuple(cell(key, a) for key in _KEYS))
            for a in pool.attributions
        ),
    )


def _of_seed(key: str, value: float | None) -> str:
    return printed(key, Estimate(value, None, None, 0))[0]
