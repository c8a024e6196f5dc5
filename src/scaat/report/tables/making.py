"""Which numbers stand in which table."""

from __future__ import annotations

from collections.abc import Sequence

from scaat.report.catalogue import (
    FAMILIES,
    METRICS,
    MODEL,
    PERFORMANCE,
    SALIENCY,
    SPARSITY,
    attribution_name,
    method_name,
)
from scaat.report.numbers import ratio_text, seconds_text, signed_text
from scaat.report.paired import VERDICTS, difference, sign, verdict
from scaat.report.results import Comparison
from scaat.report.tables.table import (
    Cell,
    Line,
    Table,
    column,
    printed,
    transposed,
)

SIGNS = dict(zip(VERDICTS, "▲▼≈", strict=True))

MARKS = (
    "Bold: the best value of the training methods under one saliency method. ≈: not told apart "
    "from the best, as the 95 % interval of the difference, image by image, holds 0. Arrows: "
    "which direction is better. Brackets: 95 % interval over the test images."
)

SAME_MARKS = (
    "Bold, ≈, arrows and brackets as in the table of sparsity and faithfulness: the best, what is "
    "not told apart from it, which direction is better, 95 % intervals."
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
    return [
        _metrics_table(comparison, family.name, family.caption, measured, note=SAME_MARKS)
        for family in FAMILIES
        if (measured := tuple(key for key in family.metrics if comparison.measured(key)))
    ]


def performance_table(comparison: Comparison) -> Table:
    """Return accuracy, AUC, AOPC rel of the vanilla gradient and cost by method (Table 2)."""
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
        found = verdict(comparison, metric, attribution, method, other)
        return Cell("–" if found is None else f"{SIGNS[found]} {found}")

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


def long_table(comparison: Comparison) -> Table:
    """Return every number in a line of its own."""
    return Table(
        name="long",
        caption="Every number",
        note="Brackets: 95 % interval over the test images.",
        stub="Training",
        columns=("Saliency method", "Metric", "Value", "95 % interval", "Images"),
        lines=tuple(
            Line(
                "",
                method_name(row.method),
                (
                    Cell(attribution_name(row.attribution)),
                    Cell(METRICS[key].label),
                    *map(Cell, printed(key, estimate)),
                    Cell(str(estimate.n)),
                ),
            )
            for row in comparison.rows
            for key, estimate in row.metrics.items()
            if estimate is not None
        ),
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
