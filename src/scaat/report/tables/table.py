"""A table ready to print, and the cells that mark what is best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scaat.report.catalogue import METRICS
from scaat.report.numbers import interval_text, value_text
from scaat.report.paired import difference, sign
from scaat.report.results import Comparison, Estimate, Results


@dataclass(frozen=True)
class Cell:
    """A printed value, its interval, and how it stands among those it is compared with."""

    value: str
    interval: str = ""
    best: bool = False
    tied: bool = False
    """Not told apart from the best: the interval of the paired difference holds 0."""
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table; rows of one ``group`` follow each other."""

    group: str
    head: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table ready to print; ``groups`` are heads over that many columns each, if any."""

    name: str
    caption: str
    note: str
    stub: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    over: str = ""
    """What the lines are grouped by; none if empty."""
    groups: tuple[tuple[str, int], ...] = ()

    @property
    def sections(self) -> list[tuple[str, list[Line]]]:
        """Return the lines by group."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.group, []).append(line)
        return list(found.items())

    @property
    def grid(self) -> list[tuple[tuple[str, ...], tuple[Cell, ...]]]:
        """Return each line's heads (its group first, where there are groups) and its cells."""
        return [
            ((line.group, line.head) if self.over else (line.head,), line.cells)
            for line in self.lines
        ]

    @property
    def heads(self) -> list[str]:
        """Return the heads of all columns, those of the lines' heads first."""
        return [*filter(None, [self.over]), self.stub, *self.columns]


def title(comparison: Comparison, results: Results) -> str:
    """Return what a comparison is of: data and model; seed and run where that is not enough."""
    seeds = {row.seed for row in results.rows}
    parts = [comparison.data, comparison.model]
    parts += [f"seed {comparison.seed}"] if len(seeds) > 1 else []
    key = (comparison.data, comparison.model, comparison.seed)
    alike = [c for c in results.comparisons if (c.data, c.model, c.seed) == key]
    if len(alike) > 1:
        # They differ in settings, which would be too long here; within one file, in its rows.
        labels = " and ".join(source.label for source in comparison.sources)
        twin = [c for c in alike if c.sources == comparison.sources]
        number = f" ({twin.index(comparison) + 1})" if len(twin) > 1 else ""
        parts.append(f"run {labels}{number}")
    return ", ".join(parts)


def best(metric: str, estimates: Sequence[Estimate | None]) -> set[int]:
    """Return the positions of the best value: none of fewer than two, all of equal ones.

    Beside an undefined value none is the best: a ratio is undefined where its denominator, here
    LeRF, is not above zero, which may be better than all the others.
    """
    measured = {i: e.value for i, e in enumerate(estimates) if e is not None}
    values = {i: value for i, value in measured.items() if value is not None}
    if len(values) < max(2, len(measured)):
        return set()
    target = (max if METRICS[metric].better == "higher" else min)(values.values())
    return {i for i, value in values.items() if value == target}


def column(
    comparison: Comparison, metric: str, attribution: str | None, methods: Iterable[str]
) -> list[Cell]:
    """Return the cells of one metric for several training methods, the best ones marked.

    ``attribution`` is None for what does not depend on the saliency method.
    """
    names = list(methods)
    rows = [comparison.row(method, attribution) for method in names]
    estimates = [None if row is None else row.metrics[metric] for row in rows]
    winners = best(metric, estimates)
    tied = {
        i
        for i in set(range(len(names))) - winners
        if any(
            (paired := difference(comparison, metric, attribution, names[i], names[w])) is not None
            and sign(metric, paired) == "undecided"
            for w in winners
        )
    }
    return [
        Cell(*printed(metric, estimate), best=i in winners, tied=i in tied)
        for i, estimate in enumerate(estimates)
    ]


def printed(metric: str, estimate: Estimate | None) -> tuple[str, str]:
    """Return value and interval as they are printed."""
    return value_text(METRICS[metric], estimate), interval_text(METRICS[metric], estimate)


def transposed(columns: Mapping[str, Sequence[Cell]]) -> list[tuple[Cell, ...]]:
    """Return the lines of several columns."""
    return list(zip(*columns.values(), strict=True))
