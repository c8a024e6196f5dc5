"""The report's tables: which numbers are in which, and the files they are written to."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from scaat.display.labels import (
    COUNTED,
    FAMILIES,
    METRICS,
    MODEL,
    OPTIONAL,
    PERFORMANCE,
    SALIENCY,
    SPARSITY,
    Estimate,
    attribution_name,
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
    latex,
    markdown_section,
    printed,
    terminal_grid,
)
from scaat.report.compare import VERDICTS, Pool, Pooled, difference, pools, sign, verdict
from scaat.report.findings import findings, held_against
from scaat.report.results import Comparison, Results, Row

_LATEX_HEAD = "% Needs \\usepackage{booktabs} and, for the triangles, \\usepackage{amssymb}.\n"


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


def transposed(columns: Mapping[str, Sequence[Cell]]) -> list[tuple[Cell, ...]]:
    """Return the lines of several columns."""
    return list(zip(*columns.values(), strict=True))


def text_files(results: Results) -> dict[str, str]:
    """Return the text of each Markdown and LaTeX file by its name: a table for each comparison."""
    files = {}
    for name, tables in sections(results).items():
        files[f"{name}.md"] = "\n".join(f"{markdown_section(table, of)}\n" for of, table in tables)
        files[f"{name}.tex"] = _LATEX_HEAD + "\n".join(
            f"% {_comment(f'{table.caption}: {of}')}\n% {_comment(table.note)}\n{latex(table)}"
            for of, table in tables
        )
    return files


def _comment(text: str) -> str:
    return " ".join(text.split())


SIGNS = dict(zip(VERDICTS, "▲▼≈", strict=True))

MARKS = (
    "Bold: the best value of the training methods under one saliency method. ≈: no significant "
    "difference from the best, as the 95 % interval of the difference, image by image, holds 0. "
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
            family.name,
            family.caption,
            measured,
            note=notes.get(family.name, SAME_MARKS),
        )
        for family in FAMILIES
        if (measured := tuple(key for key in family.metrics if comparison.measured(key)))
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
    rows = [comparison.model_row(method) for method in comparison.methods]
    columns: dict[str, Sequence[Cell]] = {
        METRICS[key].label: column(comparison, key, None, comparison.methods)
        for key in (*PERFORMANCE, *MODEL)
        if comparison.measured(key)
    }
    if "gradient" in comparison.attributions:
        label = f"{METRICS['aopc_rel'].name}, vanilla gradient {METRICS['aopc_rel'].arrow}"
        columns[label] = column(comparison, "aopc_rel", "gradient", comparison.methods)
    columns["Training time"] = [Cell(seconds_text(row.train_seconds)) for row in rows]
    columns["Cost"] = [Cell(ratio_text(row.cost_ratio)) for row in rows]
    lines = zip(rows, transposed(columns), strict=True)
    return Table(
        name="performance",
        caption="Classification performance and training cost",
        note=f"{SAME_MARKS} Cost: training time relative to standard training in the same run, on "
        "the machine named at the end.",
        stub="Training",
        columns=tuple(columns),
        lines=tuple(Line("", method_name(row.method), cells) for row, cells in lines),
    )


def differences_table(comparison: Comparison, pairs: Sequence[tuple[str, str]]) -> Table:
    """Return by how much training methods differ, image by image, and what that decides.

    Args:
        comparison: The rows.
        pairs: Training methods, each with the one it is held against.
    """

    def cell(metric: str, attribution: str, method: str, other: str) -> Cell:
        paired = difference(comparison, metric, attribution, method, other)
        if paired is not None:
            value, interval = signed_text(METRICS[metric], paired)
            return Cell(f"{SIGNS[sign(metric, paired)]} {value}", interval)
        outcome = verdict(comparison, metric, attribution, method, other)
        return Cell("–" if outcome is None else f"{SIGNS[outcome]} {outcome}")

    lines = tuple(
        Line(
            f"{method_name(method)} less {method_name(other)}",
            attribution_name(attribution),
            tuple(cell(key, attribution, method, other) for key in SALIENCY),
        )
        for method, other in pairs
        for attribution in comparison.attributions
    )
    return Table(
        name="differences",
        caption="Differences between training methods, image by image",
        note="▲ better, ▼ worse: the 95 % interval of the mean difference over the same test "
        "images leaves out 0; ≈ undecided: it holds 0. A verdict in words alone rests on two "
        "separate intervals, as the values of the images were not stored.",
        stub="Saliency method",
        columns=tuple(METRICS[key].label for key in SALIENCY),
        lines=lines,
        over="Training",
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
        columns = {key: column(comparison, key, attribution, methods) for key in keys}
        lines += [
            Line(attribution_name(attribution), method_name(method), cells)
            for method, cells in zip(methods, transposed(columns), strict=True)
        ]
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


def pooled_tables(pool: Pool) -> list[Table]:
    """Return the means, and the differences where two methods share seeds.

    Then means and differences for each family of further metrics that some seed has.
    """
    pooled, differences = "Training seeds pooled", "Differences, training seeds pooled"

    def measured(*keys: str) -> list[str]:
        return [key for key in keys if any(c.measured(key) for c in pool.comparisons)]

    first = measured(*PERFORMANCE, *SALIENCY)
    tables = [
        _pooled_means(pool, first, "", pooled),
        _pooled_differences(pool, first, "", differences),
    ]
    for family in FAMILIES:
        if keys := measured(*family.metrics):
            of_what = f"{family.caption[0].lower()}{family.caption[1:]}"
            suffix = f"-{family.name}"
            tables.append(_pooled_means(pool, keys, suffix, f"{pooled}: {of_what}"))
            tables.append(_pooled_differences(pool, keys, suffix, f"{differences}: {of_what}"))
    return [table for table in tables if table.lines]


def _pooled_means(pool: Pool, keys: Sequence[str], suffix: str, caption: str) -> Table:
    """Return metrics pooled over training seeds."""
    lines: list[Line] = []
    for attribution in pool.attributions:
        columns: dict[str, list[Cell]] = {}
        for key in keys:
            by_method = [pool.pooled(key, attribution, method) for method in pool.methods]
            winners = best(key, [p.estimate if p else None for p in by_method])
            columns[key] = [
                Cell(
                    *printed(key, p.estimate if p else None),
                    best=i in winners,
                    note="; ".join(_of_seed(key, value) for value in p.by_seed) if p else "",
                )
                for i, p in enumerate(by_method)
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


def _pooled_differences(pool: Pool, keys: Sequence[str], suffix: str, caption: str) -> Table:
    """Return by how much training methods differ over the training seeds, image by image."""

    def cell(metric: str, attribution: str, method: str, other: str) -> Cell:
        pooled = pool.difference(metric, attribution, method, other)
        if pooled is None:
            return Cell("–")
        value, interval = signed_text(METRICS[metric], pooled.estimate)
        mark = f"{SIGNS[sign(metric, pooled.estimate)]} " if interval else ""
        seeds = (Estimate(v, None, None, 0) for v in pooled.by_seed)
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


def _of_seed(key: str, value: float | None) -> str:
    return printed(key, Estimate(value, None, None, 0))[0]


def sections(results: Results) -> dict[str, list[tuple[str, Table]]]:
    """Return the tables of each file, each with the title of what it is of."""
    by_file: dict[str, list[tuple[str, Table]]] = {}
    for comparison in results.comparisons:
        made = [comparison_table(comparison), performance_table(comparison)]
        if pairs := findings(comparison).pairs:
            made.append(differences_table(comparison, [(p.method, p.other) for p in pairs]))
        made += further_tables(comparison)
        for table in made:
            by_file.setdefault(table.name, []).append((title(comparison, results), table))
    for pool in pools(results):
        first = pool.comparisons[0]
        for table in pooled_tables(pool):
            by_file.setdefault(table.name, []).append((f"{first.data}, {first.model}", table))
    return by_file


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
    if differences := list(_csv_differences(results, every)):
        head = ["data", "model", "seed", "method", "less", "attribution", "metric", "better"]
        files["differences.csv"] = _csv((*head, *_PARTS), differences)
    for name, apart in (("pooled", False), ("pooled-differences", True)):
        if lines := list(_csv_pooled(results, every, apart=apart)):
            named = ["method", *(["less"] if apart else []), "attribution", "metric", "better"]
            head = ["data", "model", *named, *_PARTS, *_SEEDS]
            files[f"{name}.csv"] = _csv(head, lines)
    return files


def _csv_differences(results: Results, metrics: Iterable[str]) -> Iterable[list[object]]:
    """Yield each method's paired differences from the reference of its comparison."""
    for comparison in results.comparisons:
        other = comparison.reference
        for row in comparison.rows:
            for metric in metrics if row.method != other else ():
                paired = difference(comparison, metric, row.attribution, row.method, other)
                if paired is not None:
                    names = [row.data, row.model, row.seed, row.method, other, row.attribution]
                    yield [*names, metric, METRICS[metric].better, *_numbers(paired)]


def _csv_pooled(results: Results, metrics: Iterable[str], *, apart: bool) -> Iterable[list[object]]:
    """Yield what the training seeds give together: means, or ``apart`` the differences."""
    for pool in pools(results):
        first = pool.comparisons[0]
        of_seeds: Callable[..., Pooled | None] = pool.difference if apart else pool.pooled
        means = [(method,) for method in pool.methods]
        pairs = held_against(pool.methods)
        for names in pairs if apart else means:
            for attribution in pool.attributions:
                for metric in metrics:
                    pooled = of_seeds(metric, attribution, *names)
                    if pooled is not None:
                        key = [first.data, first.model, *names, attribution, metric]
                        yield [*key, METRICS[metric].better, *_of_seeds(pooled)]


def _of_seeds(pooled: Pooled) -> list[object]:
    values = " ".join("" if v is None else repr(v) for v in pooled.by_seed)
    return [*_numbers(pooled.estimate), len(pooled.by_seed), values]


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
            columns = {
                key: column(
                    comparison, key, None if key in PERFORMANCE else attribution, comparison.methods
                )
                for key in keys
            }
            rows.append([attribution_name(attribution)])
            rows += [
                [
                    f"  {method_name(method)}",
                    *(Text(cell.value, style="bold" if cell.best else "") for cell in cells),
                ]
                for method, cells in zip(comparison.methods, transposed(columns), strict=True)
            ]
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
