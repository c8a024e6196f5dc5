"""The report's tables: as Markdown and HTML (rounded, with intervals) and as CSV (in full)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaat.report.catalogue import (
    COUNTED,
    METRICS,
    PERFORMANCE,
    SALIENCY,
    attribution_name,
    method_name,
)
from scaat.report.numbers import (
    interval_text,
    ratio_text,
    seconds_text,
    value_text,
)
from scaat.report.results import Comparison, Estimate, Results, Row

if TYPE_CHECKING:
    from rich.table import Table as RichTable


@dataclass(frozen=True)
class Cell:
    """A printed value, its interval, and whether it is the best of those it is compared with."""

    value: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table ready to print; ``groups`` are heads over that many columns each, if any."""

    name: str
    caption: str
    stub: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def comparison_table(comparison: Comparison) -> Table:
    """Return the saliency metrics by saliency method and training method, as Table 1."""
    methods, attributions = comparison.methods, comparison.attributions
    pairs = [(method, attribution) for attribution in attributions for method in methods]
    rows = []
    for key in SALIENCY:
        cells: list[Cell] = []
        for attribution in attributions:
            cells += _cells(key, [comparison.row(method, attribution) for method in methods])
        rows.append((METRICS[key].label, tuple(cells)))
    return Table(
        name="comparison",
        caption="Sparsity and faithfulness of the saliency maps",
        stub="Metric",
        groups=tuple((attribution_name(a), len(methods)) for a in attributions),
        columns=tuple(method_name(method) for method, _ in pairs),
        rows=tuple(rows),
    )


def performance_table(comparison: Comparison) -> Table:
    """Return accuracy, AUC, AOPC rel of the vanilla gradient and cost by method, as Table 2."""
    rows = [comparison.model_row(method) for method in comparison.methods]
    gradient = [comparison.row(method, "gradient") for method in comparison.methods]
    columns: list[tuple[str, list[Cell]]] = [
        (METRICS[key].label, _cells(key, rows))
        for key in PERFORMANCE
        if any(row.metrics[key] for row in rows)
    ]
    if any(gradient):
        label = f"{METRICS['aopc_rel'].name}, vanilla gradient {METRICS['aopc_rel'].arrow}"
        columns.append((label, _cells("aopc_rel", gradient)))
    columns.append(("Training time", [Cell(seconds_text(row.train_seconds)) for row in rows]))
    columns.append(("Cost", [Cell(ratio_text(row.cost_ratio)) for row in rows]))
    return Table(
        name="performance",
        caption="Classification performance and training cost",
        stub="Training",
        groups=(),
        columns=tuple(label for label, _ in columns),
        rows=tuple(
            (method_name(row.method), tuple(cells[i] for _, cells in columns))
            for i, row in enumerate(rows)
        ),
    )


def long_table(comparison: Comparison) -> Table:
    """Return every number in a line of its own."""
    rows = [
        (
            method_name(row.method),
            (
                Cell(attribution_name(row.attribution)),
                Cell(METRICS[key].label),
                Cell(value_text(METRICS[key], estimate)),
                Cell(interval_text(METRICS[key], estimate)),
                Cell(str(estimate.n)),
            ),
        )
        for row in comparison.rows
        for key, estimate in row.metrics.items()
        if estimate is not None
    ]
    columns = ("Saliency method", "Metric", "Value", "95 % interval", "Images")
    return Table("long", "Every number", "Training", (), columns, tuple(rows))


TABLES = (comparison_table, performance_table, long_table)


def title(comparison: Comparison, results: Results) -> str:
    """Return what a comparison is of: data and model, and the seed where there are several."""
    seeds = {row.seed for row in results.rows}
    parts = [comparison.data, comparison.model]
    return ", ".join(parts + ([f"seed {comparison.seed}"] if len(seeds) > 1 else []))


def markdown(table: Table) -> str:
    """Return a table as GitHub-flavoured Markdown, the best values in bold."""
    heads = list(table.columns)
    if table.groups:
        over = [group for group, width in table.groups for _ in range(width)]
        heads = [f"{group}: {head}" for group, head in zip(over, heads, strict=True)]
    lines = [[table.stub, *heads], ["---", *("---:" for _ in heads)]]
    for head, cells in table.rows:
        lines.append([_escape(head), *map(_markdown_cell, cells)])
    lines[0] = list(map(_escape, lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_files(results: Results) -> dict[str, str]:
    """Return the text of each Markdown file by its name: a section for each comparison."""
    files = {}
    for make in TABLES:
        sections = []
        for comparison in results.comparisons:
            table = make(comparison)
            head = f"{table.caption}: {_escape(title(comparison, results))}"
            sections.append(f"## {head}\n\n{markdown(table)}")
        files[f"{table.name}.md"] = "\n".join(sections) + f"\n{_NOTE}\n"
    return files


_NOTE = (
    "↑ higher is better, ↓ lower is better; bold: the best value of the training methods. "
    "Brackets: 95 % interval over the test images."
)


def csv_files(results: Results) -> dict[str, str]:
    """Return the text of each CSV file by its name: stored units, full precision, no rounding."""
    key = ("data", "model", "seed", "method", "attribution")
    parts = ("value", "low", "high", "n")
    cost = ("train_seconds", "cost_ratio")
    model_rows = [c.model_row(m) for c in results.comparisons for m in c.methods]
    performance = (*PERFORMANCE, "aopc_rel")

    def names(metrics: Iterable[str]) -> list[str]:
        return [f"{metric}_{part}" for metric in metrics for part in (*parts, "unbounded")]

    def wide(row: Row, metrics: Iterable[str]) -> list[object]:
        return [x for metric in metrics for x in _numbers(row.metrics[metric])]

    return {
        "comparison.csv": _csv(
            (*key, *names(SALIENCY)),
            ([*_values(row, key), *wide(row, SALIENCY)] for row in results.rows),
        ),
        "performance.csv": _csv(
            (*key, *names(performance), *cost),
            (
                [*_values(row, key), *wide(row, performance), *_values(row, cost)]
                for row in model_rows
            ),
        ),
        "long.csv": _csv(
            (*key, "metric", "better", *parts, "unbounded"),
            (
                [*_values(row, key), metric, METRICS[metric].better, *_numbers(estimate)]
                for row in results.rows
                for metric, estimate in row.metrics.items()
                if estimate is not None
            ),
        ),
    }


def terminal_table(results: Results) -> RichTable:
    """Return the comparison for a terminal 80 columns wide: values without their intervals."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    keys = [
        key for key in (*PERFORMANCE, *COUNTED) if any(row.metrics[key] for row in results.rows)
    ]
    table = RichTable(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title=None
        if len(results.comparisons) > 1
        else Text(title(results.comparisons[0], results)),
        caption="↑ higher is better, ↓ lower is better; bold: the best training method",
        caption_justify="left",
    )
    table.add_column("Saliency, training", no_wrap=True)
    for key in keys:
        metric = METRICS[key]
        head = f"{metric.short or metric.name}\n{metric.unit} {metric.arrow}"
        table.add_column(head, justify="right", no_wrap=True)
    for comparison in results.comparisons:
        if table.title is None:
            # Text, not str: a name of the user's in brackets is no style.
            table.add_row(Text(title(comparison, results), style="italic", overflow="fold"))
        for attribution in comparison.attributions:
            table.add_row(Text(attribution_name(attribution)))
            rows = [comparison.row(method, attribution) for method in comparison.methods]
            columns = [_cells(key, rows) for key in keys]
            for i, method in enumerate(comparison.methods):
                cells = [column[i] for column in columns]
                table.add_row(
                    Text(f"  {method_name(method)}"),
                    *(Text(cell.value, style="bold" if cell.best else "") for cell in cells),
                    end_section=method == comparison.methods[-1],
                )
    return table


def best(key: str, estimates: Sequence[Estimate | None]) -> set[int]:
    """Return the positions of the best value: none of fewer than two, all of equal ones."""
    values = {i: e.value for i, e in enumerate(estimates) if e is not None and e.value is not None}
    if len(values) < 2:
        return set()
    target = (max if METRICS[key].better == "higher" else min)(values.values())
    return {i for i, value in values.items() if value == target}


def _cells(key: str, rows: Sequence[Row | None]) -> list[Cell]:
    estimates = [None if row is None else row.metrics[key] for row in rows]
    metric, winners = METRICS[key], best(key, estimates)
    return [
        Cell(value_text(metric, e), interval_text(metric, e), i in winners)
        for i, e in enumerate(estimates)
    ]


def _markdown_cell(cell: Cell) -> str:
    value = _escape(cell.value)
    value = f"**{value}**" if cell.best else value
    return f"{value} {_escape(cell.interval)}".rstrip()


def _escape(text: str) -> str:
    """Return ``text`` with what Markdown or HTML would act on made literal, on one line."""
    text = re.sub(r"([\\|*_`\[\]])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _values(row: Row, names: Iterable[str]) -> list[object]:
    return [getattr(row, name) for name in names]


def _numbers(estimate: Estimate | None) -> list[object]:
    if estimate is None:
        return [None] * 5
    return [estimate.value, estimate.low, estimate.high, estimate.n, estimate.unbounded]


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)  # the shortest digits that read back as the same number
    return stream.getvalue()
