"""The report's tables: which numbers are in which, and the files they are written to."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from scaat.display.labels import (
    COUNTED,
    FAMILIES,
    METRICS,
    MODEL,
    NOT_MEASURED,
    OPTIONAL,
    PERFORMANCE,
    SALIENCY,
    SPARSITY,
    Estimate,
    attribution_name,
    keys_of,
    method_name,
    ratio_text,
    seconds_text,
    signed_text,
)
from scaat.display.table import (
    Cell,
    Line,
    Table,
    best,
    cells_of,
    latex,
    lines_of,
    markdown_section,
    printed,
    terminal_grid,
)
from scaat.report.compare import VERDICTS, Pool, Pooled, difference, pools, sign
from scaat.report.findings import held_against
from scaat.report.results import Comparison, Results, Row

_LATEX_HEAD = "% Needs \\usepackage{booktabs} and, for the triangles, \\usepackage{amssymb}."


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
        same_runs = [c for c in alike if c.sources == comparison.sources]
        number = f" ({same_runs.index(comparison) + 1})" if len(same_runs) > 1 else ""
        parts.append(f"run {labels}{number}")
    return ", ".join(parts)


def column(
    comparison: Comparison, metric: str, attribution: str | None, methods: Sequence[str]
) -> list[Cell]:
    """Return the cells of one metric for several training methods, the best ones marked.

    ``attribution`` is None for what does not depend on the saliency method.
    """
    rows = [comparison.row(method, attribution) for method in methods]
    estimates = [None if row is None else row.metrics[metric] for row in rows]
    winners = best(metric, estimates)

    def ties(method: str, winner: str) -> bool:
        paired = difference(comparison, metric, attribution, method, winner)
        return paired is not None and sign(metric, paired) == "not significant"

    tied = [
        i
        for i, method in enumerate(methods)
        if i not in winners and any(ties(method, methods[w]) for w in winners)
    ]
    return cells_of(metric, estimates, tied=tied)


def text_files(results: Results) -> dict[str, str]:
    """Return the text of each Markdown and LaTeX file by its name: a table for each comparison."""
    files = {}
    for name, tables in sections(results).items():
        files[f"{name}.md"] = "\n".join(f"{markdown_section(table, of)}\n" for of, table in tables)
        parts = [_LATEX_HEAD]
        for of, table in tables:
            comments = (" ".join(text.split()) for text in (f"{table.caption}: {of}", table.note))
            parts += [*(f"% {comment}" for comment in comments), latex(table)]
        files[f"{name}.tex"] = "\n".join(parts)
    return files


SIGNS = dict(zip(VERDICTS, "▲▼≈", strict=True))

MARKS = (
    "Bold: the best value of the training methods under one saliency method. ≈: no significant "
    "difference from the best, as the 95 % interval of the difference, image by image, includes 0. "
    "Arrows: which direction is better. Brackets: 95 % interval over the test images."
)

SAME_MARKS = (
    "Bold, ≈, arrows and brackets as in the table of sparsity and faithfulness: the best, no "
    "significant difference from it, which direction is better, 95 % intervals."
)


def comparison_table(comparison: Comparison) -> Table:
    """Return sparsity and faithfulness by saliency method and training method (Table 1)."""
    faithful = len(SALIENCY) - len(SPARSITY)
    return _metrics_table(
        comparison,
        "comparison",
        "Sparsity and faithfulness of the saliency maps",
        SALIENCY,
        groups=(("Sparsity", len(SPARSITY)), ("Faithfulness", faithful)),
    )


def further_tables(comparison: Comparison) -> list[Table]:
    """Return a table for each family of further metrics that some row has."""
    notes = {"lattice": " ".join([SAME_MARKS, *lattice_lines(comparison)])}
    return [
        _metrics_table(
            comparison,
            family,
            caption,
            measured,
            note=notes.get(family, SAME_MARKS),
        )
        for family, caption in FAMILIES.items()
        if (measured := [key for key in keys_of(family) if comparison.measured(key)])
    ]


def lattice_lines(comparison: Comparison) -> list[str]:
    """Return a sentence on each model's lattice, where that was measured."""
    rows = {method: comparison.model_row(method) for method in comparison.methods}
    return [
        f"Lattice of {method_name(method)}: {row.lattice}."
        for method, row in rows.items()
        if row.lattice
    ]


def performance_table(comparison: Comparison) -> Table:
    """Return accuracy, AUC, AOPC ratio of the vanilla gradient and cost by method (Table 2)."""
    methods = comparison.methods
    rows = [comparison.model_row(method) for method in methods]
    columns = {
        METRICS[key].label: column(comparison, key, None, methods)
        for key in (*PERFORMANCE, *MODEL)
        if comparison.measured(key)
    }
    if "gradient" in comparison.attributions:
        label = f"{METRICS['aopc_rel'].name}, vanilla gradient {METRICS['aopc_rel'].arrow}"
        columns[label] = column(comparison, "aopc_rel", "gradient", methods)
    columns["Training time"] = [Cell(seconds_text(row.train_seconds)) for row in rows]
    columns["Cost"] = [Cell(ratio_text(row.cost_ratio)) for row in rows]
    return Table(
        name="performance",
        caption="Classification performance and training cost",
        note=f"{SAME_MARKS} Cost: training time relative to standard training in the same run, on "
        "the machine named at the end.",
        stub="Training",
        columns=tuple(columns),
        lines=lines_of(map(method_name, methods), columns.values()),
    )


def _metrics_table(
    comparison: Comparison,
    name: str,
    caption: str,
    keys: Sequence[str],
    groups: tuple[tuple[str, int], ...] = (),
    note: str = MARKS,
) -> Table:
    lines: list[Line] = []
    for attribution in comparison.attributions:
        methods = [m for m in comparison.methods if comparison.row(m, attribution)]
        columns = [column(comparison, key, attribution, methods) for key in keys]
        lines += lines_of(map(method_name, methods), columns, attribution_name(attribution))
    return Table(
        name=name,
        caption=caption,
        note=note,
        stub="Training",
        columns=tuple(METRICS[key].label for key in keys),
        lines=tuple(lines),
        over="Saliency method",
        groups=groups,
    )


def differences_table(comparison: Comparison) -> Table:
    """Return by how much training methods differ, image by image, and what that decides."""
    return Table(
        name="differences",
        caption="Differences between training methods, image by image",
        note="▲ better, ▼ worse: the 95 % interval of the mean difference over the same test "
        "images excludes 0; ≈ not significant: it includes 0; –: no values of the same images.",
        stub="Saliency method",
        columns=tuple(METRICS[key].label for key in SALIENCY),
        lines=tuple(
            Line(
                f"{method_name(method)} less {method_name(other)}",
                attribution_name(attribution),
                tuple(
                    _difference_cell(key, difference(comparison, key, attribution, method, other))
                    for key in SALIENCY
                ),
            )
            for method, other in held_against(comparison.methods)
            for attribution in comparison.attributions
        ),
        over="Training",
    )


def _difference_cell(metric: str, paired: Estimate | None) -> Cell:
    if paired is None:
        return Cell(NOT_MEASURED)
    value, interval = signed_text(METRICS[metric], paired)
    return Cell(f"{SIGNS[sign(metric, paired)]} {value}", interval)


def pooled_tables(pool: Pool) -> list[Table]:
    """Return means and, where two methods share seeds, differences: of each family measured."""
    tables = []
    groups = [((*PERFORMANCE, *SALIENCY), "", "")]
    for family, caption in FAMILIES.items():
        groups.append((keys_of(family), f"-{family}", f": {caption[0].lower()}{caption[1:]}"))
    for of_group, suffix, of_what in groups:
        keys = [key for key in of_group if any(c.measured(key) for c in pool.comparisons)]
        if keys:
            tables.append(_pooled_means(pool, keys, suffix, of_what))
            tables.append(_pooled_differences(pool, keys, suffix, of_what))
    return [table for table in tables if table.lines]


def _pooled_means(pool: Pool, keys: Sequence[str], suffix: str, of_what: str) -> Table:
    def cells(key: str, attribution: str) -> list[Cell]:
        pooled = [pool.pooled(key, attribution, method) for method in pool.methods]
        notes = ["; ".join(printed(key, s)[0] for s in p.seeds) if p else "" for p in pooled]
        plain = cells_of(key, [p.estimate if p else None for p in pooled])
        return [replace(cell, note=note) for cell, note in zip(plain, notes, strict=True)]

    lines: list[Line] = []
    for attribution in pool.attributions:
        columns = [cells(key, attribution) for key in keys]
        lines += lines_of(map(method_name, pool.methods), columns, attribution_name(attribution))
    return Table(
        name=f"pooled{suffix}",
        caption=f"Training seeds pooled{of_what}",
        note=f"Means over the training seeds {', '.join(map(str, pool.seeds))}; below each "
        "interval the values of the seeds, in this order. Brackets: 95 % interval over seeds and "
        "images; with few seeds it is rough. Bold: the best value of the training methods.",
        stub="Training",
        columns=tuple(METRICS[key].label for key in keys),
        lines=tuple(lines),
        over="Saliency method",
    )


def _pooled_differences(pool: Pool, keys: Sequence[str], suffix: str, of_what: str) -> Table:
    def cell(key: str, pooled: Pooled | None) -> Cell:
        if pooled is None:
            return _difference_cell(key, None)
        note = "; ".join(signed_text(METRICS[key], seed)[0] for seed in pooled.seeds)
        return replace(_difference_cell(key, pooled.estimate), note=note)

    return Table(
        name=f"pooled-differences{suffix}",
        caption=f"Differences, training seeds pooled{of_what}",
        note=f"Means over the training seeds {', '.join(map(str, pool.seeds))} of the differences "
        "image by image; below each interval the values of the seeds, in this order. ▲ better, "
        "▼ worse: the 95 % interval over seeds and images excludes 0; ≈ not significant: it "
        "includes 0. Every measure is in pooled-differences.csv.",
        stub="Saliency method",
        columns=tuple(METRICS[key].label for key in keys),
        lines=tuple(
            Line(
                f"{method_name(method)} less {method_name(other)}",
                attribution_name(attribution),
                tuple(map(cell, keys, pooled)),
            )
            for method, other in held_against(pool.methods)
            for attribution in pool.attributions
            if any(pooled := [pool.pooled(key, attribution, method, other) for key in keys])
        ),
        over="Training",
    )


def sections(results: Results) -> dict[str, list[tuple[str, Table]]]:
    """Return the tables of each file, each with the title of what it is of."""
    by_file: dict[str, list[tuple[str, Table]]] = {}
    for comparison in results.comparisons:
        made = [
            comparison_table(comparison),
            performance_table(comparison),
            differences_table(comparison),
            *further_tables(comparison),
        ]
        for table in made:
            if table.lines:
                by_file.setdefault(table.name, []).append((title(comparison, results), table))
    for pool in pools(results):
        first = pool.comparisons[0]
        for table in pooled_tables(pool):
            by_file.setdefault(table.name, []).append((f"{first.data}, {first.model}", table))
    return by_file


def csv_files(results: Results) -> dict[str, str]:
    """Return the text of each CSV file by its name; one without lines is left out."""
    further = [key for key in OPTIONAL if any(row.metrics[key] for row in results.rows)]
    every = (*PERFORMANCE, *SALIENCY, *further)
    files = {
        "comparison.csv": [_wide(row, every[len(PERFORMANCE) :]) for row in results.rows],
        "performance.csv": [
            _wide(row, (*PERFORMANCE, "aopc_rel"))
            | {"train_seconds": row.train_seconds, "cost_ratio": row.cost_ratio}
            for comparison in results.comparisons
            for row in map(comparison.model_row, comparison.methods)
        ],
        "long.csv": [
            {**_key(row), **_measured(metric, estimate)}
            for row in results.rows
            for metric, estimate in row.metrics.items()
            if estimate is not None
        ],
        "differences.csv": _csv_differences(results, every),
        "pooled.csv": _csv_pooled(results, every, apart=False),
        "pooled-differences.csv": _csv_pooled(results, every, apart=True),
    }
    return {name: _csv(lines) for name, lines in files.items() if lines}


CsvLine = dict[str, object]


def _csv_differences(results: Results, metrics: Iterable[str]) -> list[CsvLine]:
    """Return each method's paired differences from the reference of its comparison."""
    lines = []
    for comparison in results.comparisons:
        other = comparison.reference
        for row in comparison.rows:
            for metric in metrics if row.method != other else ():
                paired = difference(comparison, metric, row.attribution, row.method, other)
                if paired is not None:
                    *place, attribution = _key(row).items()
                    key = dict([*place, ("less", other), attribution])
                    lines.append({**key, **_measured(metric, paired)})
    return lines


def _csv_pooled(results: Results, metrics: Iterable[str], *, apart: bool) -> list[CsvLine]:
    """Return what the training seeds give together: means, or ``apart`` the differences."""
    lines = []
    for pool in pools(results):
        first = pool.comparisons[0]
        means = [(method,) for method in pool.methods]
        for names in held_against(pool.methods) if apart else means:
            for attribution in pool.attributions:
                for metric in metrics:
                    pooled = pool.pooled(metric, attribution, *names)
                    if pooled is None:
                        continue
                    line = {
                        "data": first.data,
                        "model": first.model,
                        **dict(zip(("method", "less"), names, strict=False)),
                        "attribution": attribution,
                        **_measured(metric, pooled.estimate),
                        "seeds": len(pooled.by_seed),
                        "by_seed": " ".join("" if v is None else repr(v) for v in pooled.by_seed),
                    }
                    lines.append(line)
    return lines


def _key(row: Row) -> CsvLine:
    names = ("data", "model", "seed", "method", "attribution")
    return {name: getattr(row, name) for name in names}


def _wide(row: Row, metrics: Iterable[str]) -> CsvLine:
    line = _key(row)
    for metric in metrics:
        numbers = _numbers(row.metrics[metric])
        line |= {f"{metric}_{part}": number for part, number in numbers.items()}
    return line


def _measured(metric: str, estimate: Estimate) -> CsvLine:
    return {"metric": metric, "better": METRICS[metric].better, **_numbers(estimate)}


def _numbers(estimate: Estimate | None) -> CsvLine:
    parts = ("value", "low", "high", "n", "unbounded")
    return {part: getattr(estimate, part, None) for part in parts}


def _csv(lines: Sequence[CsvLine]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)  # the shortest digits that read back as the same number
    return stream.getvalue()


if TYPE_CHECKING:
    from rich.table import Table as RichTable


def terminal_table(results: Results) -> RichTable:
    """Return accuracy and the counted metrics, values without their intervals."""
    from rich.text import Text

    keys = [
        key for key in (*PERFORMANCE, *COUNTED) if any(row.metrics[key] for row in results.rows)
    ]
    heads = [
        f"{METRICS[key].short or METRICS[key].name}\n{METRICS[key].unit} {METRICS[key].arrow}"
        for key in keys
    ]
    alone = len(results.comparisons) == 1
    rows: list[list[str | Text] | None] = []
    for comparison in results.comparisons:
        if not alone:
            rows.append([Text(title(comparison, results), style="italic")])
        for attribution in comparison.attributions:
            methods = comparison.methods
            columns = [
                column(comparison, key, None if key in PERFORMANCE else attribution, methods)
                for key in keys
            ]
            rows.append([attribution_name(attribution)])
            for line in lines_of(map(method_name, methods), columns):
                values = [Text(cell.value, "bold" if cell.best else "") for cell in line.cells]
                rows.append([f"  {line.head}", *values])
            rows.append(None)
    table = terminal_grid(["Saliency, training", *heads], rows)
    table.title = Text(title(results.comparisons[0], results)) if alone else None
    table.caption = "↑ higher is better, ↓ lower is better; bold: the best training method"
    table.caption_justify = "left"
    first, *others = table.columns
    first.overflow = "fold"  # it alone: a name can fold, a number cannot
    for each in others:
        each.no_wrap = True
    return table
