"""The comparison for a terminal 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaat.report.catalogue import COUNTED, METRICS, PERFORMANCE, attribution_name, method_name
from scaat.report.results import Results
from scaat.report.tables.table import column, title

if TYPE_CHECKING:
    from rich.table import Table as RichTable


def terminal_table(results: Results) -> RichTable:
    """Return accuracy and the counted metrics, values without their intervals."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    keys = [
        key for key in (*PERFORMANCE, *COUNTED) if any(row.metrics[key] for row in results.rows)
    ]
    table = RichTable(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 0, 0, 1),  # two classes have a column more, which fits so
        title=None
        if len(results.comparisons) > 1
        else Text(title(results.comparisons[0], results)),
        caption="↑ higher is better, ↓ lower is better; bold: the best training method",
        caption_justify="left",
    )
    # It alone folds: a name can, a number cannot.
    table.add_column("Saliency, training", overflow="fold")
    for key in keys:
        metric = METRICS[key]
        head = f"{metric.short or metric.name}\n{metric.unit} {metric.arrow}"
        table.add_column(head, justify="right", no_wrap=True)
    for comparison in results.comparisons:
        if table.title is None:
            # Text, not str: a name of the user's in brackets is no style.
            table.add_row(Text(title(comparison, results), style="italic"))
        for attribution in comparison.attributions:
            table.add_row(Text(attribution_name(attribution)))
            columns = [
                column(
                    comparison, key, None if key in PERFORMANCE else attribution, comparison.methods
                )
                for key in keys
            ]
            for i, method in enumerate(comparison.methods):
                cells = [cells[i] for cells in columns]
                table.add_row(
                    Text(f"  {method_name(method)}"),
                    *(Text(cell.value, style="bold" if cell.best else "") for cell in cells),
                    end_section=method == comparison.methods[-1],
                )
    return table
